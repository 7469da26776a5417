//! Hashes of texts, slugs folded first.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Hashes what is looked up. Keyed at random for each index, because the texts come from whoever writes annotations,
/// and must not be chosen to collide.
#[derive(Clone, Debug, Default)]
pub(super) struct Hash(RandomState);

/// What a key is about, so that texts that are alike do not meet.
#[derive(Clone, Copy, Debug)]
pub(super) enum About {
    Scope,
    Project,
    Application,
    Instance,
    Unmapped,
    Term,
}

impl Hash {
    /// The hash of slugs, ignoring the case of ASCII letters; `None` differs from every text.
    pub(super) fn slugs(&self, about: About, number: u32, texts: &[Option<&str>]) -> u64 {
        let mut hasher = self.start(about, number);
        for text in texts {
            write(&mut hasher, *text, fold);
        }
        hasher.finish()
    }

    /// The hash of texts as they are.
    pub(super) fn texts(&self, about: About, number: u32, texts: &[Option<&str>]) -> u64 {
        let mut hasher = self.start(about, number);
        for text in texts {
            write(&mut hasher, *text, |word| word);
        }
        hasher.finish()
    }

    fn start(&self, about: About, number: u32) -> impl Hasher + use<> {
        let mut hasher = self.0.build_hasher();
        hasher.write_u64(u64::from(number) << 8 | about as u64);
        hasher
    }
}

/// Eight bytes at a time: a byte at a time takes four times as long.
fn write(hasher: &mut impl Hasher, text: Option<&str>, fold: impl Fn(u64) -> u64) {
    let Some(text) = text else {
        hasher.write_u64(u64::MAX);
        return;
    };
    hasher.write_u64(text.len() as u64);
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    for word in words {
        hasher.write_u64(fold(u64::from_le_bytes(*word)));
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word.iter_mut().zip(rest).for_each(|(into, byte)| *into = *byte);
        hasher.write_u64(fold(u64::from_le_bytes(word)));
    }
}

/// The eight bytes with `A` to `Z` in lower case, all at once.
const fn fold(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    let low = word & !HIGH;
    // The high bit of each byte says whether it is at least `A`, and whether it is beyond `Z`.
    let from_a = low + EACH * (0x80 - b'A' as u64);
    let beyond_z = low + EACH * (0x80 - b'Z' as u64 - 1);
    let upper = from_a & !beyond_z & !word & HIGH;
    word | (upper >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_exactly_the_ascii_capitals() {
        for byte in 0..=u8::MAX {
            let word = u64::from_le_bytes([byte, b'Z', 0, 0xff, b'@', b'[', b'a', byte]);
            let lower = byte.to_ascii_lowercase();
            assert_eq!(
                fold(word).to_le_bytes(),
                [lower, b'z', 0, 0xff, b'@', b'[', b'a', lower],
                "{byte}"
            );
        }
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        let hash = Hash::default();
        let of = |texts: &[Option<&str>]| hash.slugs(About::Scope, 0, texts);
        assert_eq!(of(&[Some("Web-Frontend")]), of(&[Some("wEB-fRONTEND")]));
        assert_ne!(of(&[Some("ab"), Some("c")]), of(&[Some("a"), Some("bc")]));
        assert_ne!(of(&[None]), of(&[Some("")]));
        assert_ne!(
            hash.texts(About::Scope, 0, &[Some("A")]),
            hash.texts(About::Scope, 0, &[Some("a")])
        );
    }
}
