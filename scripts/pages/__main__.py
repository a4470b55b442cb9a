"""Write the pages: `python -m scripts.pages`."""

from __future__ import annotations

from scripts.pages import ROOT, pages


def main() -> None:
    for name, text in pages().items():
        path = ROOT / name
        if path.exists() and path.read_text() == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(name)


if __name__ == "__main__":
    main()
