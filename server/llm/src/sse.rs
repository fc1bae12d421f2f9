//! Server-sent events out of a stream of bytes: only the data of each event, and no event longer
//! than the whole answer may be. Knows no provider.

/// Collects bytes until an event is whole.
#[derive(Debug, Default)]
pub(crate) struct Events {
    buffer: Vec<u8>,
    data: Vec<u8>,
}

impl Events {
    /// Takes in a piece of the stream and gives the data of each event that it completes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.buffer.extend_from_slice(bytes);
        let mut out = Vec::new();
        let mut done = 0;
        while let Some(at) = self.buffer[done..].iter().position(|it| *it == b'\n') {
            let line = &self.buffer[done..done + at];
            done += at + 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                if !self.data.is_empty() {
                    out.push(String::from_utf8_lossy(&self.data).into_owned());
                    self.data.clear();
                }
            } else if let Some(data) = line.strip_prefix(b"data:") {
                let data = data.strip_prefix(b" ").unwrap_or(data);
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data);
            }
        }
        self.buffer.drain(..done);
        out
    }

    /// What a stream that ended without an empty line left behind.
    pub(crate) fn finish(mut self) -> Option<String> {
        self.push(b"\n\n").pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let stream = "event: x\r\ndata: {\"a\":\r\ndata: \"é\"}\r\n\r\n: ping\n\ndata:last\n\n";
        for size in 1..stream.len() {
            let mut events = Events::default();
            let mut all = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                all.extend(events.push(piece));
            }
            assert_eq!(all, ["{\"a\":\n\"é\"}", "last"], "pieces of {size}");
        }
        let mut events = Events::default();
        assert!(events.push(b"data: cut").is_empty());
        assert_eq!(events.finish().as_deref(), Some("cut"));
    }
}
