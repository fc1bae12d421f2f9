//! Reads XML files with quick-xml's bare reader and counts events: what any reader of a dump has
//! to be measured against. It looks at no attribute.

use std::fs::File;
use std::io::BufReader;
use std::time::Instant;

use quick_xml::Reader;
use quick_xml::events::Event;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut events, mut bytes) = (0_u64, 0_u64);
    let began = Instant::now();
    for path in std::env::args().skip(1) {
        let file = File::open(&path)?;
        bytes += file.metadata()?.len();
        let mut reader = Reader::from_reader(BufReader::with_capacity(256 << 10, file));
        let mut buffer = Vec::new();
        loop {
            match reader.read_event_into(&mut buffer)? {
                Event::Eof => break,
                _ => events += 1,
            }
            buffer.clear();
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{bytes} bytes {events} events {seconds:.6} seconds");
    Ok(())
}
