//! The sandbox as its clients see it: over loopback, through the SDKs and byte by byte.

pub mod client;
mod cloudwatch;
mod compare;
mod hostile;
mod kinesis;
mod sts;
