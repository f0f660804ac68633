//! Counts round trips: a proxy that waits until one side has said all it can say before the other
//! hears of it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A side that has been silent for so long waits for the other.
const SILENCE: Duration = Duration::from_millis(15);

pub struct Flights {
    pub port: u16,
    count: Arc<AtomicUsize>,
}

impl Flights {
    /// A proxy before the server at this port.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || take_turns(&client, &server, &counted));
            }
        });
        Self { port, count }
    }

    /// How often the client has had its say so far.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

fn take_turns(client: &TcpStream, server: &TcpStream, counted: &AtomicUsize) {
    for side in [client, server] {
        side.set_nodelay(true).unwrap();
        side.set_read_timeout(Some(SILENCE)).unwrap();
    }
    while let Some(said) = hear(client) {
        if !said.is_empty() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        let Some(answer) = tell(server, &said).and_then(|()| hear(server)) else { break };
        if tell(client, &answer).is_none() {
            break;
        }
    }
    for side in [client, server] {
        let _ = side.shutdown(Shutdown::Both);
    }
}

fn tell(mut to: &TcpStream, bytes: &[u8]) -> Option<()> {
    to.write_all(bytes).ok()
}

/// All that comes until there is silence; `None` at the end.
fn hear(mut from: &TcpStream) -> Option<Vec<u8>> {
    let mut heard = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Some(heard).filter(|heard| !heard.is_empty()),
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            Err(_) => return Some(heard),
        }
    }
}
