//! Following a server, by a scripted one.

mod active;
mod course;
mod gaps;
mod hostile;
mod pace;
mod peer;
mod polling;
mod sources;
