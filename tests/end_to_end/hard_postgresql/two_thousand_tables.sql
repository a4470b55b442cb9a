DO $$ BEGIN FOR n IN 1..2000 LOOP
    EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, v text); INSERT INTO t%1$s VALUES (%1$s, ''x'')', n);
    IF n % 500 = 0 THEN COMMIT; END IF;
END LOOP; END $$;
