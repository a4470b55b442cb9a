CREATE TABLE o (a varchar(20) CHARACTER SET latin1, b varchar(20) CHARACTER SET sjis, c text CHARACTER SET gbk, d varchar(20) CHARACTER SET utf16, e varchar(20) CHARACTER SET ucs2, f varchar(20) CHARACTER SET utf32, g enum('é', '日') CHARACTER SET ujis, h varchar(9) CHARACTER SET koi8r) CHARACTER SET latin2 COMMENT '日本';
INSERT INTO o VALUES ('é€', '日本', '中文', '日🎉', '日', '🎉', '日', 'Привет');
