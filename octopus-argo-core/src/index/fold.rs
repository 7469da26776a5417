//! Hashes of texts, slugs folded first.

use std::hash::{BuildHasher, RandomState};

/// Hashes what is looked up. Keyed at random for each index, because the texts come from whoever writes annotations,
/// and must not be chosen to collide.
///
/// Folded multiplication, as in wyhash: a look-up hashes some ten words, and the standard library's hash is made for
/// more. What has the same hash is told apart all the same, so a collision costs time and nothing else.
#[derive(Clone, Debug)]
pub(super) struct Hash {
    seed: u64,
    factor: u64,
}

impl Default for Hash {
    fn default() -> Self {
        let random = RandomState::new();
        Self {
            seed: random.hash_one(0_u8),
            factor: random.hash_one(1_u8) | 1,
        }
    }
}

/// What a key is about, so that texts that are alike do not meet.
#[derive(Clone, Copy, Debug)]
pub(super) enum About {
    Scope,
    Project,
    Application,
    Unmapped,
    Term,
}

impl Hash {
    /// The hash of a slug, ignoring the case of ASCII letters.
    pub(super) fn slug(&self, text: &str) -> u64 {
        self.of_text(text, fold)
    }

    /// The hash of a text as it is.
    pub(super) fn text(&self, text: &str) -> u64 {
        self.of_text(text, |word| word)
    }

    fn of_text(&self, text: &str, fold: impl Fn(u64) -> u64) -> u64 {
        let mut mix = self.start();
        write(&mut mix, text, fold);
        mix.finish()
    }

    /// The key of texts, of which these are the hashes; `None` differs from every text.
    ///
    /// Texts are hashed each by itself: the processor does several at once, and whoever knows a hash need not touch the
    /// text.
    pub(super) fn key(&self, about: About, number: u32, texts: &[Option<u64>]) -> u64 {
        let mut mix = self.start();
        mix.add(u64::from(number) << 8 | about as u64);
        for text in texts {
            mix.add(text.unwrap_or(u64::MAX));
        }
        mix.finish()
    }

    fn start(&self) -> Mix {
        Mix {
            state: self.seed,
            factor: self.factor,
        }
    }
}

struct Mix {
    state: u64,
    factor: u64,
}

impl Mix {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the halves of a product are folded together"
    )]
    fn add(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.factor);
        // The rotation keeps a product of nothing from swallowing what comes next.
        self.state = (product as u64 ^ (product >> 64) as u64)
            .rotate_left(23)
            .wrapping_add(self.factor);
    }

    fn finish(mut self) -> u64 {
        self.add(self.factor.rotate_left(32));
        self.state
    }
}

/// Eight bytes at a time: a byte at a time takes four times as long.
fn write(mix: &mut Mix, text: &str, fold: impl Fn(u64) -> u64) {
    mix.add(text.len() as u64);
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    for word in words {
        mix.add(fold(u64::from_le_bytes(*word)));
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word.iter_mut().zip(rest).for_each(|(into, byte)| *into = *byte);
        mix.add(fold(u64::from_le_bytes(word)));
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
        let of = |texts: &[Option<&str>]| {
            let hashes: Vec<_> = texts
                .iter()
                .map(|text| text.map(|text| hash.slug(text)))
                .collect();
            hash.key(About::Scope, 0, &hashes)
        };
        assert_eq!(of(&[Some("Web-Frontend")]), of(&[Some("wEB-fRONTEND")]));
        assert_ne!(of(&[Some("ab"), Some("c")]), of(&[Some("a"), Some("bc")]));
        assert_ne!(of(&[Some("a"), Some("b")]), of(&[Some("b"), Some("a")]));
        assert_ne!(of(&[None]), of(&[Some("")]));
        assert_ne!(hash.text("A"), hash.text("a"));
    }
}
