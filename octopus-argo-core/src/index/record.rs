//! What the index keeps of an application, in as few bytes as it takes.
//!
//! Many applications share a chunk of plain bytes, with no reference count for each name. What is edited while a snapshot
//! shares the chunk goes into a [log](super::log); a copy of some 2 KiB is made when that is full.

use super::log::{LOG, Log, Places};
use super::page::Number;

/// Applications in a chunk.
pub(super) const CHUNK: u32 = 32;

/// The records of [`CHUNK`] applications, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Records that have taken the place of others since.
    log: Log<Box<[u8]>>,
    ends: [u32; CHUNK as usize],
    bytes: Vec<u8>,
}

impl Chunk {
    /// The record at `index` in version `at`, empty where there is none.
    pub(super) fn get(&self, index: u32, at: Number) -> Record<'_> {
        if let Some(record) = self.log.last(at, index as usize) {
            return Record(record);
        }
        let (start, end) = self.range(index);
        Record(self.bytes.get(start..end).unwrap_or_default())
    }

    /// Any byte of the record at `index`, with all edits.
    pub(super) fn first_byte(&self, index: u32) -> u64 {
        let record = self.get(index, Number::MAX);
        record.0.first().copied().map_or(0, u64::from)
    }

    fn range(&self, index: u32) -> (usize, usize) {
        let index = index as usize;
        let end = |index: usize| self.ends.get(index).copied().unwrap_or_default() as usize;
        (index.checked_sub(1).map_or(0, end), end(index))
    }

    /// Puts a record at `index` from version `now` on, also where a snapshot shares the chunk; false where there is no
    /// more room for that.
    pub(super) fn append(&self, now: Number, index: u32, record: &[u8]) -> bool {
        let place = Places::around(index as usize, 0);
        self.log.push(now, place, record.into(), LOG)
    }

    /// The same, all edits worked in, with another record at `index`.
    pub(super) fn with(&self, index: u32, record: &[u8]) -> Self {
        let mut records: [&[u8]; CHUNK as usize] = std::array::from_fn(|other| {
            let (start, end) = self.range(length(other));
            self.bytes.get(start..end).unwrap_or_default()
        });
        let edited = self
            .log
            .entries()
            .map(|(places, record)| (places.range().start, &**record));
        for (index, record) in edited.chain([(index as usize, record)]) {
            records[index % CHUNK as usize] = record;
        }
        let mut end = 0;
        Self {
            log: Log::default(),
            ends: records.map(|record| {
                end += length(record.len());
                end
            }),
            bytes: records.concat(),
        }
    }

    /// Puts a record at `index`.
    pub(super) fn set(&mut self, index: u32, record: &[u8]) {
        let (start, end) = self.range(index);
        let last = end == self.bytes.len();
        if !self.log.is_empty() {
            *self = self.with(index, record);
        } else if let Some(place) = self.bytes.get_mut(start..end)
            && place.len() == record.len()
        {
            place.copy_from_slice(record);
        } else if last {
            // A new fleet comes one behind the other.
            self.bytes.truncate(start);
            self.bytes.extend_from_slice(record);
            if index == CHUNK - 1 {
                self.bytes.shrink_to_fit();
            }
            self.shift(index, end - start, record.len());
        } else {
            *self = self.with(index, record);
        }
    }

    fn shift(&mut self, index: u32, before: usize, after: usize) {
        for later in self.ends.iter_mut().skip(index as usize) {
            *later = *later - length(before) + length(after);
        }
    }
}

/// One application: the numbers of its instance and namespace, its name, and three numbers for each source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a>(pub(super) &'a [u8]);

/// No value, where a number of a term would stand.
pub(super) const NONE: u32 = u32::MAX;
/// In place of the project's number: the source has no name among several.
pub(super) const UNNAMED: u32 = u32::MAX - 1;

/// What one source declares, as numbers of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slugs {
    pub(super) project: u32,
    pub(super) environment: u32,
    pub(super) tenant: u32,
}

impl Slugs {
    /// Whether some deployment could touch the source.
    pub(super) fn is_mapped(self) -> bool {
        self.has_project() && self.environment != NONE
    }

    pub(super) fn has_project(self) -> bool {
        self.project < UNNAMED
    }

    /// Those of which snapshots tell the number of sources.
    pub(super) fn told(self) -> impl Iterator<Item = u32> {
        [self.environment, self.tenant]
            .into_iter()
            .filter(|term| *term < UNNAMED)
    }

    /// The numbers that are there.
    pub(super) fn terms(self) -> impl Iterator<Item = u32> {
        [self.project, self.environment, self.tenant]
            .into_iter()
            .filter(|term| *term < UNNAMED)
    }
}

const WORD: usize = 4;
const HEAD: usize = 3 * WORD;
const SOURCE: usize = 3 * WORD;

impl<'a> Record<'a> {
    /// Whether there is an application at all.
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    fn word(self, at: usize) -> u32 {
        let word = self.0.get(at..).and_then(|rest| rest.first_chunk::<WORD>());
        word.map_or(NONE, |word| u32::from_le_bytes(*word))
    }

    pub(super) fn instance(self) -> u32 {
        self.word(0)
    }

    pub(super) fn namespace(self) -> u32 {
        self.word(WORD)
    }

    pub(super) fn name(self) -> &'a str {
        let end = self.sources_start();
        let name = self.0.get(HEAD..end).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    fn sources_start(self) -> usize {
        if self.is_empty() {
            0
        } else {
            HEAD + self.word(2 * WORD) as usize
        }
    }

    pub(super) fn source_count(self) -> usize {
        self.0.len().saturating_sub(self.sources_start()) / SOURCE
    }

    pub(super) fn source(self, index: usize) -> Option<Slugs> {
        let at = self.sources_start() + index * SOURCE;
        (index < self.source_count()).then(|| Slugs {
            project: self.word(at),
            environment: self.word(at + WORD),
            tenant: self.word(at + 2 * WORD),
        })
    }

    pub(super) fn sources(self) -> impl Iterator<Item = Slugs> + use<'a> {
        (0..self.source_count()).filter_map(move |index| self.source(index))
    }

    /// Writes a record over what is in `bytes`.
    pub(super) fn write(bytes: &mut Vec<u8>, instance: u32, namespace: u32, name: &str, sources: &[Slugs]) {
        bytes.clear();
        for word in [instance, namespace, length(name.len())] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(name.as_bytes());
        for source in sources {
            for word in [source.project, source.environment, source.tenant] {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
    }
}

/// Of a record or a name. A record is smaller than the object it comes from, and a chunk holds few.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_chunk_do_not_disturb_each_other() {
        let slugs = Slugs {
            project: 1,
            environment: 2,
            tenant: NONE,
        };
        let mut chunk = Chunk::default();
        let mut shared = Chunk::default();
        let mut bytes = Vec::new();
        for round in 0..3 {
            for index in (0..CHUNK).rev() {
                let sources = vec![slugs; (index as usize + round) % 4];
                Record::write(&mut bytes, index, NONE, &"n".repeat(round), &sources);
                let copy = chunk.with(index, &bytes);
                chunk.set(index, &bytes);
                assert_eq!((chunk.ends, &chunk.bytes), (copy.ends, &copy.bytes));
                let before = shared.get(index, 0).0.to_vec();
                if shared.append(1, index, &bytes) {
                    assert_eq!(shared.get(index, 0).0, before, "an older version saw it");
                } else {
                    shared = shared.with(index, &bytes);
                }
                for index in 0..CHUNK {
                    assert_eq!(chunk.get(index, 1), shared.get(index, 1));
                }
            }
            for index in 0..CHUNK {
                let record = chunk.get(index, 1);
                assert_eq!((record.instance(), record.namespace()), (index, NONE));
                assert_eq!(record.name().len(), round);
                assert_eq!(record.sources().count(), (index as usize + round) % 4);
                assert!(record.sources().all(|source| source == slugs));
            }
        }
        chunk = chunk.with(5, &[]);
        assert!(
            chunk.get(5, 1).is_empty() && chunk.get(5, 1).name().is_empty() && !chunk.get(6, 1).is_empty()
        );
        assert!(
            shared.append(2, 6, &[]),
            "three rounds of 32, in logs of 8, leave room"
        );
        shared.set(5, &[]);
        assert!(shared.get(5, 1).is_empty() && shared.get(6, 1).is_empty());
    }
}
