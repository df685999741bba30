//! Streams too large for every set of boundaries.
