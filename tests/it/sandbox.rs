//! The sandbox as its clients see it: over loopback, through the SDKs and byte by byte.

mod client;
mod cloudwatch;
mod compare;
mod hostile;
mod kinesis;
