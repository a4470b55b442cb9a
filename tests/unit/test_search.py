from hypothesis import example, given
from hypothesis import strategies as st

from vya_backupdb.streams.search import find

PATTERNS = st.sampled_from([(b";\n", 1), (b";\n", 0), (b";\r\n", 2), (b"\n\\.\n", 1)])
PIECES = st.sampled_from([b";", b"\n", b"\r", b"\\", b".", b";\n", b";\r\n", b"\n\\.\n", b"x", b"x" * 200])


@given(data=st.lists(PIECES).map(b"".join), start=st.integers(0, 300), pattern=PATTERNS)
@example(data=b"\n" * 40 + b";\n", start=0, pattern=(b";\n", 1))
@example(data=b"\n" * 16 + b";\n", start=0, pattern=(b";\n", 1))
@example(data=b"\n" * 17 + b";\n", start=0, pattern=(b";\n", 1))
@example(data=b"a;\n", start=2, pattern=(b";\n", 1))
def test_a_pattern_is_found_where_bytes_find_it(data: bytes, start: int, pattern: tuple[bytes, int]) -> None:
    wanted, rare = pattern
    assert find(data, wanted, start, rare=rare) == data.find(wanted, start)
    assert find(bytearray(data), wanted, start, rare=rare) == data.find(wanted, start)
