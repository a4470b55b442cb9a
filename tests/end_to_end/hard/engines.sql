-- says: tables that know no transactions: c (CSV), h (MEMORY), m (MyISAM)
CREATE TABLE m (a int PRIMARY KEY, b tinyblob) ENGINE=MyISAM;
INSERT INTO m VALUES (1, x'00ff');
CREATE TABLE h (a int) ENGINE=MEMORY;
INSERT INTO h VALUES (1);
CREATE TABLE i (a int);
CREATE TABLE c (a int NOT NULL) ENGINE=CSV;
INSERT INTO c VALUES (7);
