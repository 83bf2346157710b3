-- How long claims last: this replica's own knowledge, which never leaves it. A claim
-- is an op; to renew it is not, so it costs no history. A claim without a row was
-- made elsewhere.
CREATE TABLE leases (
    -- The op that made the claim.
    claim BLOB NOT NULL PRIMARY KEY CHECK (length(claim) = 32),
    -- The process that renews the lease while it lives; '' when nobody does.
    session TEXT NOT NULL,
    -- How long the lease lasts when it is asked for; 0: as long as the session
    -- lives, and a grace.
    seconds INTEGER NOT NULL CHECK (seconds >= 0),
    -- When others may take the story over, in ms since 1970 UTC.
    expires_at INTEGER NOT NULL
) STRICT;
