//! The planning report as people get it: from modelled streams, through the production code.

mod inspect;
mod pages;
