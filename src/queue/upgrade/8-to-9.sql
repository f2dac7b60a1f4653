-- Version 8 to 9.

-- Whether queue.db and queue.db-wal belong together (wal.rs).
CREATE TABLE log (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    commits      INTEGER NOT NULL,           -- since the table was made
    in_file      INTEGER NOT NULL            -- of these the file held when its log began, at least
) STRICT;
INSERT INTO log VALUES (1, 0, 0);
