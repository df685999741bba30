//! The API server that tests stand on, held against a real one: the same expectations on both.

mod access;
mod apply;
mod autoscaler;
mod faults;
mod objects;
mod schema;
mod watches;
mod widget;
