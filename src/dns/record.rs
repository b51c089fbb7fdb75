//! Records and packed runs of them.
//!
//! Inside Bellwether a record is always class IN, its names are uncompressed and its RDATA is
//! valid for its type (`rdata/` checked it when it came in). [`Records`] is the form in which
//! records travel between rooms and lie on disk: the plain wire form of RFC 1035 §3.2.1 without
//! compression, one after the other in one allocation.

use super::name::{Name, NameRef};
use super::rtype::{Class, RecordType};

/// A borrowed record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// The owner, case as it was received or written.
    pub owner: NameRef<'a>,
    /// The type.
    pub rtype: RecordType,
    /// Seconds; as received, the top bit may be set (RFC 2181 §8 reads it as 0 when answering).
    pub ttl: u32,
    /// RDATA in wire form, names uncompressed, case kept.
    pub rdata: &'a [u8],
}

/// An owned record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The owner, case kept.
    pub owner: Name,
    /// The type.
    pub rtype: RecordType,
    /// Seconds.
    pub ttl: u32,
    /// RDATA in wire form, names uncompressed.
    pub rdata: Box<[u8]>,
}

impl RecordRef<'_> {
    /// An owned copy.
    pub fn to_record(self) -> Record {
        Record { owner: self.owner.to_name(), rtype: self.rtype, ttl: self.ttl, rdata: self.rdata.into() }
    }

    /// Octets that it takes packed in [`Records`]: its uncompressed wire form.
    pub fn packed_octets(&self) -> usize {
        self.owner.wire_len() + 10 + self.rdata.len()
    }

    /// Whether all of it is the same octet for octet: owner case, TTL and RDATA case included.
    pub fn same_octets(self, other: RecordRef<'_>) -> bool {
        self.owner.same_octets(other.owner)
            && self.rtype == other.rtype
            && self.ttl == other.ttl
            && self.rdata == other.rdata
    }
}

impl Record {
    /// This record as a borrowed one.
    pub fn as_ref(&self) -> RecordRef<'_> {
        RecordRef { owner: self.owner.as_ref(), rtype: self.rtype, ttl: self.ttl, rdata: &self.rdata }
    }
}

/// Why octets are not a run of packed records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotRecords;

/// Records packed one after the other in uncompressed wire form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    octets: Vec<u8>,
    count: usize,
}

impl Records {
    /// No records.
    pub fn new() -> Records {
        Records::default()
    }

    /// No records, with room for so many octets of them.
    pub fn with_room(octets: usize) -> Records {
        Records { octets: Vec::with_capacity(octets), count: 0 }
    }

    /// Takes octets that came from [`Records::octets`] and have crossed a disk: everything is
    /// checked but the RDATA against its type.
    pub fn from_octets(octets: Vec<u8>) -> Result<Records, NotRecords> {
        let mut rest = &octets[..];
        let mut count = 0;
        while !rest.is_empty() {
            let (_, after) = split_record(rest).ok_or(NotRecords)?;
            rest = after;
            count += 1;
        }
        Ok(Records { octets, count })
    }

    /// Adds one at the end. RDATA longer than 65,535 octets is our own bug.
    pub fn push(&mut self, record: RecordRef<'_>) {
        let length = u16::try_from(record.rdata.len()).expect("RDATA fits 65,535 octets");
        self.octets.extend_from_slice(record.owner.wire());
        self.octets.extend_from_slice(&record.rtype.0.to_be_bytes());
        self.octets.extend_from_slice(&Class::IN.0.to_be_bytes());
        self.octets.extend_from_slice(&record.ttl.to_be_bytes());
        self.octets.extend_from_slice(&length.to_be_bytes());
        self.octets.extend_from_slice(record.rdata);
        self.count += 1;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The packed octets.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The records in the order in which they were added.
    pub fn iter(&self) -> RecordsIter<'_> {
        RecordsIter(&self.octets)
    }

    /// The records from the one at `octet` on, an offset into [`Records::octets`] at which a record begins;
    /// none if it is the end.
    pub fn iter_from(&self, octet: usize) -> RecordsIter<'_> {
        RecordsIter(self.octets.get(octet..).unwrap_or_default())
    }

    /// Forgets all, keeps the allocation.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.count = 0;
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = RecordRef<'a>;
    type IntoIter = RecordsIter<'a>;

    fn into_iter(self) -> RecordsIter<'a> {
        self.iter()
    }
}

impl<'a> FromIterator<RecordRef<'a>> for Records {
    fn from_iter<I: IntoIterator<Item = RecordRef<'a>>>(records: I) -> Records {
        let mut packed = Records::new();
        records.into_iter().for_each(|record| packed.push(record));
        packed
    }
}

/// Walks packed records.
#[derive(Clone)]
pub struct RecordsIter<'a>(&'a [u8]);

impl<'a> Iterator for RecordsIter<'a> {
    type Item = RecordRef<'a>;

    fn next(&mut self) -> Option<RecordRef<'a>> {
        let (record, rest) = split_record(self.0)?;
        self.0 = rest;
        Some(record)
    }
}

/// The packed record at the start of `octets`, and what follows it.
fn split_record(octets: &[u8]) -> Option<(RecordRef<'_>, &[u8])> {
    let (owner, rest) = NameRef::split_from(octets).ok()?;
    let (fixed, rest) = rest.split_first_chunk::<10>()?;
    let [t0, t1, c0, c1, l0, l1, l2, l3, n0, n1] = *fixed;
    if u16::from_be_bytes([c0, c1]) != Class::IN.0 {
        return None;
    }
    let (rdata, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([n0, n1])))?;
    let record = RecordRef {
        owner,
        rtype: RecordType(u16::from_be_bytes([t0, t1])),
        ttl: u32::from_be_bytes([l0, l1, l2, l3]),
        rdata,
    };
    Some((record, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_records_come_back() {
        let owner = Name::parse("WWW.example").unwrap();
        let record =
            RecordRef { owner: owner.as_ref(), rtype: RecordType::A, ttl: 5, rdata: &[192, 0, 2, 1] };
        let packed: Records = [record, record].into_iter().collect();
        let again = Records::from_octets(packed.octets().to_vec()).unwrap();
        assert_eq!((again.len(), again.is_empty(), Records::new().is_empty()), (2, false, true));
        assert_eq!(packed.octets().len(), 2 * record.packed_octets());
        assert!(again.iter().all(|r| r.same_octets(record)));
        for cut in 1..packed.octets().len() / 2 {
            assert_eq!(Records::from_octets(packed.octets()[..cut].to_vec()), Err(NotRecords));
        }
    }
}
