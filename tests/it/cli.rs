//! The binary, from its command line.
