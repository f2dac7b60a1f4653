-- Version 6 to 7.

-- Logins (AUTH) that failed or are being tried, of the last quarter of an hour.
CREATE TABLE failed_logins (
    network      TEXT    NOT NULL,           -- an IPv4 address, or the /64 of an IPv6 address, as a prefix
    at           INTEGER NOT NULL
) STRICT;
CREATE INDEX failed_logins_at ON failed_logins (at);
