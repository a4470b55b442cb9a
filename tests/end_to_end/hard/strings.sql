CREATE TABLE s (id int PRIMARY KEY, t longtext, b longblob) CHARACTER SET utf8mb4;
INSERT INTO s VALUES (1, 'it''s; -- \\ ),( \\. \nDELIMITER ;;\r\n/* */ # "q" `b` %s \0\Z', 'it''s; -- \\ ),( \\. \nDELIMITER ;;\r\n/* */ # "q" `b` %s \0\Z'), (2, ''')', '),('), (3, '\\', '\\\''), (4, '', NULL), (5, '🎉', x'00');
