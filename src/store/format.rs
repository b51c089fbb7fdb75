//! How a zone's row and its deltas look on disk.
//!
//! Each value begins with the version of its format and ends with a CRC-32 over all before it, so
//! a value is whole or it is damaged, never half understood. Numbers are big-endian. Nothing here
//! panics on octets that a disk made up. The transactions are in `commit`, the bodies in `body`.

use crate::dns::{Records, Serial};
use crate::time::Wall;
use crate::zone::{Delta, Digest};

use super::ZoneMeta;

/// Version of the format of rows and deltas.
const FORMAT: u8 = 1;
/// Octets of a row at most, but for what the machines know.
const ROW_OCTETS: usize = 200;
/// [`ZoneMeta::unsure`], in the octet of the role.
const UNSURE: u8 = 0x80;

/// Octets that are not what we wrote; says what is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged(pub(super) &'static str);

/// A zone in the table `zone`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// What the engine keeps.
    pub(super) meta: ZoneMeta,
    /// What is stored of the zone's data; `None` before its first version.
    pub(super) data: Option<Data>,
}

/// Where a zone's body and deltas are. The deltas lie at `oldest..next`; those from `required` on
/// lead from the body to the current version, those before it are history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Data {
    /// Generation of the body file; `None` if the body is in the table `body`.
    pub(super) file: Option<u64>,
    /// Octets of the body.
    pub(super) body_octets: u64,
    /// Serial of the current version.
    pub(super) serial: Serial,
    /// Digest of the current version.
    pub(super) digest: Digest,
    /// The oldest delta that is there.
    pub(super) oldest: u64,
    /// The first delta after the body.
    pub(super) required: u64,
    /// The number that the next delta gets.
    pub(super) next: u64,
    /// Octets of the deltas before `required`.
    pub(super) history_octets: u64,
    /// Octets of the deltas from `required` on.
    pub(super) required_octets: u64,
}

/// Appends the checksum.
pub(super) fn seal(mut octets: Vec<u8>) -> Vec<u8> {
    octets.extend_from_slice(&crc32fast::hash(&octets).to_be_bytes());
    octets
}

/// Takes the checksum off after checking it.
pub(super) fn unseal(octets: &[u8]) -> Result<&[u8], Damaged> {
    let (content, checksum) = octets.split_last_chunk::<4>().ok_or(Damaged("it is cut off"))?;
    if u32::from_be_bytes(*checksum) != crc32fast::hash(content) {
        return Err(Damaged("its checksum does not fit"));
    }
    Ok(content)
}

impl Row {
    /// The row as it is stored.
    pub(super) fn encode(&self) -> Vec<u8> {
        let meta = &self.meta;
        let mut out = Vec::with_capacity(ROW_OCTETS + meta.follow.len() + meta.flock.len());
        out.extend_from_slice(&[FORMAT, meta.role | if meta.unsure { UNSURE } else { 0 }]);
        put_option(&mut out, meta.serial_floor.map(|serial| serial.0.to_be_bytes()));
        put_option(&mut out, meta.expire_at.map(|wall| wall.0.to_be_bytes()));
        put_option(&mut out, meta.refreshed_at.map(|wall| wall.0.to_be_bytes()));
        put_option(&mut out, meta.file_hash);
        put_option(&mut out, meta.rejected_hash);
        put_octets(&mut out, &meta.follow);
        put_octets(&mut out, &meta.flock);
        match &self.data {
            None => out.push(0),
            Some(data) => {
                out.push(1);
                put_option(&mut out, data.file.map(u64::to_be_bytes));
                out.extend_from_slice(&data.serial.0.to_be_bytes());
                out.extend_from_slice(&data.digest.0.to_be_bytes());
                let numbers = [
                    data.body_octets,
                    data.oldest,
                    data.required,
                    data.next,
                    data.history_octets,
                    data.required_octets,
                ];
                numbers.iter().for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
            }
        }
        seal(out)
    }

    /// Reads a stored row.
    pub(super) fn decode(octets: &[u8]) -> Result<Row, Damaged> {
        let mut octets = Cursor(unseal(octets)?);
        if octets.array::<1>()? != [FORMAT] {
            return Err(Damaged("its format is of another version"));
        }
        let [role] = octets.array()?;
        let meta = ZoneMeta {
            role: role & !UNSURE,
            unsure: role & UNSURE != 0,
            serial_floor: octets.option()?.map(|serial| Serial(u32::from_be_bytes(serial))),
            expire_at: octets.option()?.map(|wall| Wall(u64::from_be_bytes(wall))),
            refreshed_at: octets.option()?.map(|wall| Wall(u64::from_be_bytes(wall))),
            file_hash: octets.option()?,
            rejected_hash: octets.option()?,
            follow: octets.octets()?,
            flock: octets.octets()?,
        };
        let data = match octets.array()? {
            [0] => None,
            [1] => Some(Data {
                file: octets.option()?.map(u64::from_be_bytes),
                serial: Serial(octets.u32()?),
                digest: Digest(u128::from_be_bytes(octets.array()?)),
                body_octets: octets.u64()?,
                oldest: octets.u64()?,
                required: octets.u64()?,
                next: octets.u64()?,
                history_octets: octets.u64()?,
                required_octets: octets.u64()?,
            }),
            _ => return Err(MALFORMED),
        };
        octets.end()?;
        Ok(Row { meta, data })
    }
}

/// A delta as it is stored.
pub(super) fn encode_delta(delta: &Delta) -> Vec<u8> {
    let removed = delta.removed.octets();
    let mut out = Vec::with_capacity(delta.octets() + 64);
    out.push(FORMAT);
    out.extend_from_slice(&delta.from.0.to_be_bytes());
    out.extend_from_slice(&delta.to.0.to_be_bytes());
    out.extend_from_slice(&delta.digest_before.0.to_be_bytes());
    out.extend_from_slice(&delta.digest_after.0.to_be_bytes());
    out.extend_from_slice(&(removed.len() as u64).to_be_bytes());
    out.extend_from_slice(removed);
    out.extend_from_slice(delta.added.octets());
    seal(out)
}

/// Reads a stored delta.
pub(super) fn decode_delta(octets: &[u8]) -> Result<Delta, Damaged> {
    let mut octets = Cursor(unseal(octets)?);
    if octets.array::<1>()? != [FORMAT] {
        return Err(Damaged("its format is of another version"));
    }
    let (from, to) = (Serial(octets.u32()?), Serial(octets.u32()?));
    let digest_before = Digest(u128::from_be_bytes(octets.array()?));
    let digest_after = Digest(u128::from_be_bytes(octets.array()?));
    let removed_octets = usize::try_from(octets.u64()?).map_err(|_| MALFORMED)?;
    let (removed, added) = octets.0.split_at_checked(removed_octets).ok_or(MALFORMED)?;
    let records = |octets: &[u8]| Records::from_octets(octets.to_vec()).map_err(|_| MALFORMED);
    Ok(Delta { from, to, removed: records(removed)?, added: records(added)?, digest_before, digest_after })
}

/// What has a right checksum and still makes no sense.
const MALFORMED: Damaged = Damaged("it is malformed");

/// Writes what [`Cursor::option`] reads.
pub(super) fn put_option<const N: usize>(out: &mut Vec<u8>, value: Option<[u8; N]>) {
    out.push(u8::from(value.is_some()));
    out.extend_from_slice(value.as_ref().map_or(&[], |value| &value[..]));
}

fn put_octets(out: &mut Vec<u8>, octets: &[u8]) {
    let len = u32::try_from(octets.len()).expect("saved state is far below 4 GiB");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(octets);
}

/// Reads one thing after the other.
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    /// The next `N` octets.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (array, rest) = self.0.split_first_chunk().ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(*array)
    }

    /// The next 32 bits.
    pub(super) fn u32(&mut self) -> Result<u32, Damaged> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next 64 bits.
    pub(super) fn u64(&mut self) -> Result<u64, Damaged> {
        self.array().map(u64::from_be_bytes)
    }

    /// What [`put_option`] wrote.
    pub(super) fn option<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Damaged> {
        match self.array()? {
            [0] => Ok(None),
            [1] => self.array().map(Some),
            _ => Err(MALFORMED),
        }
    }

    /// What [`put_octets`] wrote.
    fn octets(&mut self) -> Result<Vec<u8>, Damaged> {
        let len = self.u32()? as usize;
        let (octets, rest) = self.0.split_at_checked(len).ok_or(MALFORMED)?;
        self.0 = rest;
        Ok(octets.to_vec())
    }

    /// Nothing may follow.
    pub(super) fn end(self) -> Result<(), Damaged> {
        if self.0.is_empty() { Ok(()) } else { Err(MALFORMED) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dns::{Name, RecordRef, RecordType};

    fn delta(rdata: &[u8]) -> Delta {
        let owner = Name::parse("WWW.example").unwrap();
        let record = RecordRef { owner: owner.as_ref(), rtype: RecordType::TXT, ttl: 5, rdata };
        Delta {
            from: Serial(1),
            to: Serial(u32::MAX),
            removed: [record].into_iter().collect(),
            added: [record, record].into_iter().collect(),
            digest_before: Digest(3),
            digest_after: Digest(u128::MAX),
        }
    }

    fn row() -> Row {
        let meta = ZoneMeta {
            role: 2,
            unsure: true,
            serial_floor: Some(Serial(9)),
            expire_at: None,
            refreshed_at: Some(Wall(77)),
            file_hash: Some([1; 32]),
            rejected_hash: None,
            follow: vec![1, 2, 3],
            flock: Vec::new(),
        };
        let data = Data {
            file: Some(4),
            body_octets: 5,
            serial: Serial(6),
            digest: Digest(7),
            oldest: 8,
            required: 9,
            next: 10,
            history_octets: 11,
            required_octets: 12,
        };
        Row { meta, data: Some(data) }
    }

    #[test]
    fn rows_and_deltas_come_back() {
        assert_eq!(Row::decode(&row().encode()), Ok(row()));
        assert_eq!(Row::decode(&Row::default().encode()), Ok(Row::default()));
        assert_eq!(decode_delta(&encode_delta(&delta(b"\x01x"))), Ok(delta(b"\x01x")));
    }

    #[test]
    fn one_wrong_octet_is_seen() {
        let (row, delta) = (row().encode(), encode_delta(&delta(b"\x01x")));
        for at in 0..row.len() {
            let mut flipped = row.clone();
            flipped[at] ^= 0x10;
            assert!(Row::decode(&flipped).is_err() && Row::decode(&row[..at]).is_err());
        }
        for at in 0..delta.len() {
            let mut flipped = delta.clone();
            flipped[at] ^= 0x01;
            assert!(decode_delta(&flipped).is_err() && decode_delta(&delta[..at]).is_err());
        }
    }

    proptest! {
        #[test]
        fn random_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            // With and without a right checksum, so that the decoders behind it are reached.
            for octets in [octets.clone(), seal(octets)] {
                let _ = Row::decode(&octets);
                let _ = decode_delta(&octets);
            }
        }
    }
}
