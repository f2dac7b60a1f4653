//! The simulated carrier and the fax machines behind it.
