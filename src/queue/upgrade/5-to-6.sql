-- Version 5 to 6: octets in the database are sealed, as files are; of those that are there already nothing is known.

ALTER TABLE small_blobs ADD COLUMN sha256 BLOB;
