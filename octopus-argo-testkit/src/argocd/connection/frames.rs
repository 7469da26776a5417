//! The heads of HTTP/2 frames in a stream of bytes.

/// What stands before the payload of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Head {
    pub(super) const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Kinds and flags of frames. Rule: RFC 9113, section 6.
pub(super) mod frame {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    /// Of SETTINGS and PING.
    pub(in super::super) const ACK: u8 = 1;
    /// Of DATA and HEADERS.
    pub(in super::super) const END_STREAM: u8 = 1;
}

/// What a client sends before its first frame.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Finds the heads, wherever the stream is cut into pieces.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    /// Bytes to pass over: of the preface or of a payload.
    skip: usize,
    head: [u8; HEAD],
    filled: usize,
    /// Whether what `skip` counts is passed on.
    keep: Keep,
}

const HEAD: usize = 9;

impl Scanner {
    /// Of what a client sends.
    pub(super) const fn of_client() -> Self {
        Self {
            skip: PREFACE.len(),
            head: [0; HEAD],
            filled: 0,
            keep: Keep::Yes,
        }
    }

    /// Of what a server sends.
    pub(super) const fn of_server() -> Self {
        Self {
            skip: 0,
            ..Self::of_client()
        }
    }

    /// Whether the last frame is complete.
    pub(super) const fn at_boundary(&self) -> bool {
        self.skip == 0 && self.filled == 0
    }

    pub(super) fn scan(&mut self, bytes: &[u8], mut found: impl FnMut(Head)) {
        let found = |head| {
            found(head);
            Keep::Yes
        };
        self.walk(bytes, found, |_| {});
    }

    /// As [`Scanner::scan`], and passes on the bytes of the frames that are to be kept. A head that is not complete is
    /// held back.
    pub(super) fn walk(
        &mut self,
        mut bytes: &[u8],
        mut found: impl FnMut(Head) -> Keep,
        mut pass: impl FnMut(&[u8]),
    ) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let (passed, rest) = bytes.split_at(self.skip.min(bytes.len()));
                self.skip -= passed.len();
                bytes = rest;
                if self.keep == Keep::Yes {
                    pass(passed);
                }
                continue;
            }
            let mut taken = 0;
            for (to, from) in self.head.iter_mut().skip(self.filled).zip(bytes) {
                *to = *from;
                taken += 1;
            }
            self.filled += taken;
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.filled == HEAD {
                let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = self.head;
                self.filled = 0;
                self.skip = usize::from(l1) << 16 | usize::from(l2) << 8 | usize::from(l3);
                self.keep = found(Head {
                    kind,
                    flags,
                    stream: u32::from_be_bytes([s1, s2, s3, s4]) & 0x7fff_ffff,
                });
                if self.keep == Keep::Yes {
                    pass(&self.head);
                }
            }
        }
    }
}

/// Whether a frame is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Yes,
    No,
}

/// A SETTINGS frame that sets nothing.
pub(super) const EMPTY_SETTINGS: [u8; HEAD] = [0, 0, 0, frame::SETTINGS, 0, 0, 0, 0, 0];

/// A GOAWAY frame.
pub(super) fn goaway(last_stream: u32, code: u32, debug: &[u8]) -> Vec<u8> {
    let length = u32::try_from(debug.len() + 8).unwrap_or(u32::MAX);
    let mut bytes = length.to_be_bytes().get(1..).unwrap_or_default().to_vec();
    bytes.extend([frame::GOAWAY, 0, 0, 0, 0, 0]);
    bytes.extend(last_stream.to_be_bytes());
    bytes.extend(code.to_be_bytes());
    bytes.extend(debug);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_found_in_any_pieces() {
        let mut bytes = PREFACE.to_vec();
        bytes.extend(EMPTY_SETTINGS);
        bytes.extend([0, 0, 8, frame::PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        bytes.extend([0, 0, 2, frame::HEADERS, 5, 0x80, 0, 0, 3, 9, 9]);
        bytes.extend(goaway(3, 11, b"too_many_pings"));
        let whole = {
            let mut heads = Vec::new();
            Scanner::of_client().scan(&bytes, |head| heads.push(head));
            heads
        };
        let kinds: Vec<_> = whole.iter().map(|head| (head.kind, head.stream)).collect();
        assert_eq!(kinds, [(4, 0), (6, 0), (1, 3), (7, 0)]);
        for size in 1..bytes.len() {
            let mut heads = Vec::new();
            let mut scanner = Scanner::of_client();
            for piece in bytes.chunks(size) {
                scanner.scan(piece, |head| heads.push(head));
            }
            assert_eq!(heads, whole, "in pieces of {size}");
            assert!(scanner.at_boundary());
        }
    }

    #[test]
    fn a_frame_can_be_left_out_in_any_pieces() {
        let ping = [0, 0, 8, frame::PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let settings = EMPTY_SETTINGS;
        let bytes = [PREFACE, &settings, &ping, &settings].concat();
        for size in 1..bytes.len() {
            let mut passed = Vec::new();
            let mut scanner = Scanner::of_client();
            for piece in bytes.chunks(size) {
                let keep = |head: Head| {
                    if head.kind == frame::PING {
                        Keep::No
                    } else {
                        Keep::Yes
                    }
                };
                scanner.walk(piece, keep, |bytes| passed.extend_from_slice(bytes));
            }
            assert_eq!(
                passed,
                [PREFACE, &settings, &settings].concat(),
                "in pieces of {size}"
            );
        }
    }
}
