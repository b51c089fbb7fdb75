//! Tests from the outside: files, programs and sockets of this machine only.

mod zonefile;
