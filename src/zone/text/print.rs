//! A version as a zone file: the SOA first, then all records in canonical order (RFC 4034 §6), every
//! name absolute, every TTL written, one line a record. Loading it and printing again gives the same.

use std::fmt::Write as _;
use std::io;

use crate::dns::{NameRef, RecordRef, RecordType, rdata};
use crate::zone::Version;

/// Writes the version to `out`, which should be buffered.
pub fn print(version: &Version, out: &mut dyn io::Write) -> io::Result<()> {
    let mut line = String::new();
    write_record(version.soa(), &mut line, out)?;
    for node in version.nodes_in_order() {
        let owner = node.owner();
        for rrset in node.rrsets().filter(|rrset| rrset.rtype() != RecordType::SOA) {
            for stored in rrset.stored() {
                let owner = stored.owner.unwrap_or(owner.as_ref());
                let record = RecordRef { owner, rtype: rrset.rtype(), ttl: stored.ttl, rdata: stored.rdata };
                write_record(record, &mut line, out)?;
            }
        }
    }
    Ok(())
}

fn write_record(record: RecordRef<'_>, line: &mut String, out: &mut dyn io::Write) -> io::Result<()> {
    line.clear();
    write_owner(record.owner, line);
    // Writing into a String cannot fail.
    let _ = write!(line, "\t{}\tIN\t{}\t", record.ttl, record.rtype);
    rdata::write_text(record.rtype, record.rdata, line);
    line.push('\n');
    out.write_all(line.as_bytes())
}

fn write_owner(owner: NameRef<'_>, line: &mut String) {
    let _ = write!(line, "{owner}");
}
