//! Taking HTTP/2 PING frames out of a stream of bytes. Rule: RFC 9113 §3.4, §4.1 and §6.7.

/// What a client of HTTP/2 sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADER: usize = 9;
const PING: u8 = 6;

/// Whether a client speaks HTTP/2, as far as its bytes tell.
#[derive(Debug, Default)]
pub(super) struct Preface {
    seen: usize,
    other: bool,
}

impl Preface {
    /// How many of these bytes still belong to the preface.
    fn feed(&mut self, bytes: &[u8]) -> usize {
        if self.other {
            return 0;
        }
        let rest = PREFACE.get(self.seen..).unwrap_or_default();
        let length = rest.len().min(bytes.len());
        if rest.get(..length) != bytes.get(..length) {
            self.other = true;
            return 0;
        }
        self.seen += length;
        length
    }

    pub(super) fn is_http2(&self) -> bool {
        !self.other && self.seen == PREFACE.len()
    }
}

/// The frames of one direction.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; HEADER],
    /// How much of the next header has come.
    have: usize,
    /// How much of it has been passed on already.
    passed: usize,
    /// How much of the current frame is still to come, and whether it passes.
    rest: usize,
    swallow: bool,
    /// How many PING frames were taken out.
    pub(super) swallowed: u64,
}

impl Frames {
    /// Passes on what a client sent. To be asked with every byte from the beginning on.
    pub(super) fn up(&mut self, preface: &mut Preface, input: &[u8], swallow: bool) -> Vec<u8> {
        let before = preface.feed(input);
        let (head, rest) = input.split_at(before);
        let mut output = head.to_vec();
        if preface.is_http2() {
            self.filter(rest, swallow, &mut output);
        } else {
            output.extend_from_slice(rest);
        }
        output
    }

    /// Passes on what a server sent, whose client began with `preface`.
    pub(super) fn down(&mut self, preface: &Preface, input: &[u8], swallow: bool) -> Vec<u8> {
        let mut output = Vec::with_capacity(input.len());
        // A server may speak before its client's preface has come; then it is followed, and nothing held back.
        self.filter(input, swallow && preface.is_http2(), &mut output);
        output
    }

    /// What is held back of a header that is not complete, when nothing more will come.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let held = self
            .header
            .get(self.passed..self.have)
            .unwrap_or_default()
            .to_vec();
        self.passed = self.have;
        held
    }

    fn filter(&mut self, mut input: &[u8], swallow: bool, output: &mut Vec<u8>) {
        while let Some((&first, others)) = input.split_first() {
            if self.rest > 0 {
                let (part, after) = input.split_at(self.rest.min(input.len()));
                self.rest -= part.len();
                if !self.swallow {
                    output.extend_from_slice(part);
                }
                input = after;
                continue;
            }
            input = others;
            if let Some(place) = self.header.get_mut(self.have) {
                *place = first;
            }
            self.have += 1;
            if self.have < HEADER {
                if !swallow {
                    output.extend(self.finish());
                }
                continue;
            }
            let [a, b, c, kind, ..] = self.header;
            self.rest = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
            self.swallow = swallow && kind == PING && self.passed == 0;
            if self.swallow {
                self.swallowed += 1;
            } else {
                output.extend(self.finish());
            }
            (self.have, self.passed) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, 0, 0, 0, 0, 0]);
        frame.extend(payload);
        frame
    }

    /// Passes `input` in pieces of every length through a filter.
    fn in_pieces(
        input: &[u8],
        swallow: bool,
        mut pass: impl FnMut(&[u8], bool) -> Vec<u8>,
        size: usize,
    ) -> Vec<u8> {
        input
            .chunks(size)
            .flat_map(|piece| pass(piece, swallow))
            .collect()
    }

    #[test]
    fn pings_go_and_the_rest_stays_however_it_is_cut() {
        let other = [frame(4, &[]), frame(0, &[6; 300]), frame(1, b"head")].concat();
        let input = [
            PREFACE.to_vec(),
            frame(6, &[1; 8]),
            frame(4, &[]),
            frame(0, &[6; 300]),
            frame(6, &[2; 8]),
            frame(1, b"head"),
            frame(6, &[3; 8]),
        ]
        .concat();
        for size in 1..=input.len() {
            let (mut preface, mut frames) = (Preface::default(), Frames::default());
            let output = in_pieces(
                &input,
                true,
                |piece, swallow| frames.up(&mut preface, piece, swallow),
                size,
            );
            assert_eq!(output, [PREFACE, &other].concat(), "in pieces of {size}");
            assert_eq!(frames.swallowed, 3);

            let (mut preface, mut frames) = (Preface::default(), Frames::default());
            let output = in_pieces(
                &input,
                false,
                |piece, swallow| frames.up(&mut preface, piece, swallow),
                size,
            );
            assert_eq!(output, input);

            let mut frames = Frames::default();
            let output = in_pieces(
                &input[PREFACE.len()..],
                true,
                |piece, swallow| frames.down(&preface, piece, swallow),
                size,
            );
            assert_eq!(output, other);
        }
    }

    #[test]
    fn it_may_be_switched_anywhere() {
        let input = [frame(6, &[1; 8]), frame(0, b"data"), frame(6, &[2; 8])].concat();
        let mut preface = Preface::default();
        preface.feed(PREFACE);
        for at in 0..input.len() {
            for first in [true, false] {
                let mut frames = Frames::default();
                let mut output = frames.down(&preface, &input[..at], first);
                output.extend(frames.down(&preface, &input[at..], !first));
                let left = output.len();
                let swallowed = usize::try_from(frames.swallowed).unwrap();
                assert_eq!(left + swallowed * 17, input.len(), "switched at {at}");
                assert!(output.windows(4).any(|part| part == b"data"));
            }
        }
    }

    #[test]
    fn what_is_not_http2_is_left_alone() {
        let input = [b"PRI * HTTP/1.1\r\n".to_vec(), frame(6, &[1; 8])].concat();
        let (mut preface, mut frames) = (Preface::default(), Frames::default());
        assert_eq!(frames.up(&mut preface, &input, true), input);
        let mut back = Frames::default();
        assert_eq!(back.down(&preface, &input, true), input);
        assert_eq!(frames.swallowed + back.swallowed, 0);
    }

    #[test]
    fn an_unfinished_header_passes_at_the_end() {
        let mut preface = Preface::default();
        preface.feed(PREFACE);
        let mut frames = Frames::default();
        assert!(frames.down(&preface, &[0, 0, 8, 6], true).is_empty());
        assert_eq!(frames.finish(), [0, 0, 8, 6]);
        assert!(frames.finish().is_empty());
    }
}
