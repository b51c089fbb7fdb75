//! Tests from the outside: files, programs, sockets of this machine only, other implementations.

mod rdata;
mod zonefile;
