-- Version 4 to 5: several faxes to one number may share a call.

ALTER TABLE attempts ADD COLUMN call INTEGER;
CREATE INDEX attempts_by_call ON attempts (call) WHERE call IS NOT NULL;
