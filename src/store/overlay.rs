//! A database that can be read while nothing can be written.
//!
//! redb writes when it opens a file, and a full disk must not keep zones from being served after a
//! restart (R03). So here its writes go to memory, in blocks over the file, which stays as it is.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::env::File;

/// Octets of a block, redb's page.
const BLOCK_OCTETS: usize = 4096;

/// A file with what was written over it.
#[derive(Debug)]
pub(super) struct Overlay {
    file: Box<dyn File>,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    /// What the whole is long now.
    len: u64,
    /// How much of the file still shows; what was cut off once reads as zeros.
    file_len: u64,
    /// Whole blocks by their number.
    blocks: BTreeMap<u64, Box<[u8; BLOCK_OCTETS]>>,
}

impl Overlay {
    /// Nothing written over `file` yet.
    pub(super) fn new(file: Box<dyn File>) -> io::Result<Overlay> {
        let len = file.len()?;
        Ok(Overlay { file, written: Mutex::new(Written { len, file_len: len, blocks: BTreeMap::new() }) })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block as it reads now.
    fn block(&self, written: &Written, number: u64) -> io::Result<Box<[u8; BLOCK_OCTETS]>> {
        if let Some(block) = written.blocks.get(&number) {
            return Ok(block.clone());
        }
        let mut block = Box::new([0; BLOCK_OCTETS]);
        let begin = number * BLOCK_OCTETS as u64;
        let shown = written.file_len.saturating_sub(begin).min(BLOCK_OCTETS as u64) as usize;
        if self.file.read_at(begin, &mut block[..shown])? < shown {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(block)
    }
}

/// The pieces of `offset..offset + len` by block: its number, where the piece begins in it, and
/// where in the whole.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = (at % BLOCK_OCTETS as u64) as usize;
        let end = len.min(done + BLOCK_OCTETS - within);
        let piece = (done < len).then_some((at / BLOCK_OCTETS as u64, within, done..end));
        done = end;
        piece
    })
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > written.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, within, range) in pieces(offset, out.len()) {
            let len = range.len();
            out[range].copy_from_slice(&self.block(&written, number)?[within..within + len]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.written();
        if len < written.len {
            let last = len / BLOCK_OCTETS as u64;
            let mut block = self.block(&written, last)?;
            block[(len % BLOCK_OCTETS as u64) as usize..].fill(0);
            written.blocks.split_off(&last);
            written.blocks.insert(last, block);
            written.file_len = written.file_len.min(len);
        }
        written.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        for (number, within, range) in pieces(offset, octets.len()) {
            let mut block = self.block(&written, number)?;
            block[within..within + range.len()].copy_from_slice(&octets[range]);
            written.blocks.insert(number, block);
        }
        written.len = written.len.max(offset + octets.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::env::sim::{SimDisk, SimRandom};
    use crate::env::{Disk, OpenMode, Random};

    #[test]
    fn it_reads_as_if_it_had_been_written() {
        let (disk, path) = (SimDisk::new(), Path::new("/file"));
        let mut model: Vec<u8> = (0..10_000u32).map(|at| at as u8).collect();
        disk.put(path, &model);
        let overlay = Overlay::new(disk.open(path, OpenMode::Existing).unwrap()).unwrap();
        let mut random = SimRandom::new(3);
        for _ in 0..300 {
            if random.one_in(5) {
                let len = random.below(20_000) as usize;
                model.resize(len, 0);
                overlay.set_len(len as u64).unwrap();
            } else {
                let (offset, len) = (random.below(12_000) as usize, random.below(9_000) as usize);
                let octets = vec![random.next_u64() as u8; len];
                model.resize(model.len().max(offset + len), 0);
                model[offset..offset + len].copy_from_slice(&octets);
                overlay.write(offset as u64, &octets).unwrap();
            }
            let mut seen = vec![0; model.len()];
            overlay.read(0, &mut seen).unwrap();
            assert!(seen == model && overlay.len().unwrap() == model.len() as u64);
            assert!(overlay.read(1, &mut seen).is_err() || model.is_empty());
        }
        assert_eq!(disk.content(path).unwrap().len(), 10_000);
    }
}
