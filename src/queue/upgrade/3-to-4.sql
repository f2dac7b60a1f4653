-- Version 3 to 4: small mails and pages lie in the database; those that were kept as files stay there.

CREATE TABLE small_blobs (
    key          TEXT PRIMARY KEY,
    octets       BLOB NOT NULL
) STRICT;
