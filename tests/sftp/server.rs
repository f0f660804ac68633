//! An SFTP server in this process, over a directory, that can be told to misbehave at any request.

use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use russh::keys::{PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Msg, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use russh_sftp::protocol::{
    Attrs, Data, ExtendedReply, File, FileAttributes, Handle, Name, OpenFlags, Packet, Status,
    StatusCode, Version,
};
use sha2::Digest as _;

#[path = "files.rs"]
mod files;

use files::Files;

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Open,
    Create,
    Close,
    Read,
    Write,
    Stat,
    Fstat,
    Setstat,
    Opendir,
    Readdir,
    Remove,
    Rename,
    Fsync,
    Hash,
}

/// All of them.
pub const KINDS: [Kind; 14] = [
    Kind::Open,
    Kind::Create,
    Kind::Close,
    Kind::Read,
    Kind::Write,
    Kind::Stat,
    Kind::Fstat,
    Kind::Setstat,
    Kind::Opendir,
    Kind::Readdir,
    Kind::Remove,
    Kind::Rename,
    Kind::Fsync,
    Kind::Hash,
];

/// How a request goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Deed {
    /// The connection breaks before it is done.
    DropBefore,
    /// It is done, and the connection breaks before the answer.
    DropAfter,
    /// It is refused.
    Refuse(StatusCode),
    /// It takes so long.
    Delay(Duration),
    /// A read brings at most so many bytes.
    Short(usize),
    /// A size is so much larger than it is.
    Size(i64),
}

/// A misdeed: at the n-th request of a kind (from 1; 0: at every one).
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub kind: Kind,
    pub nth: usize,
    pub deed: Deed,
}

/// What the server is like.
#[derive(Clone, Debug)]
pub struct Manners {
    /// A rename replaces what is there.
    pub overwrites: bool,
    /// It offers these.
    pub fsync: bool,
    pub hash: bool,
    /// Its hashes are wrong.
    pub lies: bool,
    /// Listings tell times so many seconds off; open files and names the true ones.
    pub skew: i64,
    /// Listings lack sizes and modes.
    pub bare: bool,
    /// Nobody reads what he is writing.
    pub write_only: bool,
    /// What listings of a directory show, whatever is in it.
    pub lag: HashMap<String, Vec<String>>,
}

/// What a test looks at from the server's side: its directory.
pub type Watch = Box<dyn FnMut(&Path) + Send>;

/// What goes on in the server, for the tests.
pub struct State {
    pub manners: Manners,
    pub rules: Vec<Rule>,
    pub counts: HashMap<Kind, usize>,
    pub log: Vec<(Kind, String)>,
    pub logins: usize,
    /// Called before each request, with what is about to happen.
    pub watch: Option<Watch>,
}

/// The server; it ends with the value.
pub struct Server {
    pub port: u16,
    pub root: PathBuf,
    state: Arc<Mutex<State>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

pub const PASSWORD: &str = "correct-horse";
pub const USER: &str = "partner";

pub fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/ssh")).join(name)
}

fn key(name: &str) -> PrivateKey {
    PrivateKey::read_openssh_file(fixture(name)).unwrap()
}

impl Server {
    /// Starts one with these host keys; every user key of the fixtures may log in but `stranger`.
    pub fn start(host_keys: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_owned();
        for name in ["in", "out", "tmp"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        let manners = Manners {
            overwrites: false,
            fsync: true,
            hash: false,
            lies: false,
            skew: 0,
            bare: false,
            write_only: false,
            lag: HashMap::new(),
        };
        let state = Arc::new(Mutex::new(State {
            manners,
            rules: Vec::new(),
            counts: HashMap::new(),
            log: Vec::new(),
            logins: 0,
            watch: None,
        }));
        let config = Arc::new(russh::server::Config {
            auth_rejection_time: Duration::from_millis(1),
            auth_rejection_time_initial: Some(Duration::ZERO),
            keys: host_keys.iter().map(|name| key(name)).collect(),
            nodelay: true,
            ..Default::default()
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (shared, base) = (state.clone(), root.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                tokio::spawn(accept(listener, config, shared, base));
                let _ = stopped.await;
            });
        });
        Self { port, root, state, stop: Some(stop), thread: Some(thread), _dir: dir }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn misbehave(&self, kind: Kind, nth: usize, deed: Deed) {
        let mut state = self.state();
        state.counts.clear();
        state.rules.push(Rule { kind, nth, deed });
    }

    pub fn behave(&self) {
        let mut state = self.state();
        state.rules.clear();
        state.counts.clear();
        state.log.clear();
    }

    pub fn count(&self, kind: Kind) -> usize {
        self.state().counts.get(&kind).copied().unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(
    listener: std::net::TcpListener,
    config: Arc<russh::server::Config>,
    state: Arc<Mutex<State>>,
    root: PathBuf,
) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let stream = stream.into_std().unwrap();
        let socket = Arc::new(stream.try_clone().unwrap());
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        stream.set_nodelay(true).unwrap();
        let guest = Guest { state: state.clone(), root: root.clone(), socket, channel: None };
        let config = config.clone();
        tokio::spawn(async move {
            if let Ok(session) = russh::server::run_stream(config, stream, guest).await {
                let _ = session.await;
            }
        });
    }
}

struct Guest {
    state: Arc<Mutex<State>>,
    root: PathBuf,
    socket: Arc<TcpStream>,
    channel: Option<Channel<Msg>>,
}

impl Guest {
    fn welcome(&self) -> Auth {
        self.state.lock().unwrap().logins += 1;
        Auth::Accept
    }
}

impl russh::server::Handler for Guest {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let fine = user == USER && password == PASSWORD;
        Ok(if fine { self.welcome() } else { Auth::reject() })
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        let stranger = PublicKey::read_openssh_file(fixture("stranger.pub")).unwrap();
        let fine = user == USER && key.public_key.key_data() != stranger.key_data();
        Ok(if fine { self.welcome() } else { Auth::reject() })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        _: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        Ok(Auth::reject())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match self.channel.take() {
            Some(open) if name == "sftp" => {
                session.channel_success(channel)?;
                let files = Files::new(&self.state, &self.root, &self.socket);
                russh_sftp::server::run(open.into_stream(), files).await;
            }
            _ => session.channel_failure(channel)?,
        }
        Ok(())
    }
}
