//! Following a server, by a scripted one.

mod active;
mod clocks;
mod course;
mod gaps;
mod hostile;
mod pace;
mod peer;
mod polling;
mod sources;
