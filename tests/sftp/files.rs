//! The SFTP side of the server: files, and what goes wrong with them.

use super::*;

enum Open {
    File(fs::File),
    Directory(Option<Vec<File>>),
}

pub(super) struct Files {
    state: Arc<Mutex<State>>,
    root: PathBuf,
    socket: Arc<TcpStream>,
    open: HashMap<String, Open>,
    next: u64,
}

fn refuse(error: &std::io::Error) -> StatusCode {
    match error.kind() {
        std::io::ErrorKind::NotFound => StatusCode::NoSuchFile,
        std::io::ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
        _ => StatusCode::Failure,
    }
}

fn fine(id: u32) -> Status {
    let [error_message, language_tag] = ["", "en"].map(str::to_owned);
    Status { id, status_code: StatusCode::Ok, error_message, language_tag }
}

fn attributes(meta: &fs::Metadata) -> FileAttributes {
    let mut found = FileAttributes::empty();
    found.size = Some(meta.len());
    found.uid = Some(meta.uid());
    found.gid = Some(meta.gid());
    found.permissions = Some(meta.mode());
    found.atime = Some(u32::try_from(meta.atime()).unwrap());
    found.mtime = Some(u32::try_from(meta.mtime()).unwrap());
    found
}

type Answer<T> = Result<T, StatusCode>;

impl Files {
    pub(super) fn new(state: &Arc<Mutex<State>>, root: &Path, socket: &Arc<TcpStream>) -> Self {
        let (state, socket) = (Arc::clone(state), Arc::clone(socket));
        Self { state, root: root.to_owned(), socket, open: HashMap::new(), next: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name.trim_start_matches('/'))
    }

    /// What the rules say of this request.
    async fn begin(&self, kind: Kind, name: &str) -> Answer<Vec<Deed>> {
        let deeds: Vec<Deed> = {
            let mut state = self.state.lock().unwrap();
            let count = state.counts.entry(kind).or_default();
            *count += 1;
            let count = *count;
            state.log.push((kind, name.to_owned()));
            if let Some(watch) = &mut state.watch {
                watch(&self.root);
            }
            let now = |rule: &&Rule| rule.kind == kind && (rule.nth == 0 || rule.nth == count);
            state.rules.iter().filter(now).map(|rule| rule.deed).collect()
        };
        for deed in &deeds {
            match deed {
                Deed::DropBefore => self.leave().await,
                Deed::Refuse(code) => return Err(*code),
                Deed::Delay(time) => tokio::time::sleep(*time).await,
                _ => {}
            }
        }
        Ok(deeds)
    }

    async fn end(&self, deeds: &[Deed]) {
        if deeds.contains(&Deed::DropAfter) {
            self.leave().await;
        }
    }

    async fn leave(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        std::future::pending::<()>().await;
    }

    fn keep(&mut self, open: Open) -> String {
        self.next += 1;
        let name = format!("h{}", self.next);
        self.open.insert(name.clone(), open);
        name
    }

    fn file(&mut self, handle: &str) -> Answer<&mut fs::File> {
        match self.open.get_mut(handle) {
            Some(Open::File(file)) => Ok(file),
            _ => Err(StatusCode::BadMessage),
        }
    }

    fn manners(&self) -> Manners {
        self.state.lock().unwrap().manners.clone()
    }

    fn sized(mut found: FileAttributes, deeds: &[Deed]) -> FileAttributes {
        for deed in deeds {
            if let Deed::Size(more) = deed {
                found.size = found.size.map(|size| size.saturating_add_signed(*more));
            }
        }
        found
    }

    fn listing(&self, name: &str) -> Answer<Vec<File>> {
        let manners = self.manners();
        let shown = manners.lag.get(name);
        let mut files = Vec::new();
        for entry in fs::read_dir(self.path(name)).map_err(|error| refuse(&error))? {
            let Ok(entry) = entry else { continue };
            let file = entry.file_name().into_string().unwrap();
            if shown.is_some_and(|shown| !shown.contains(&file)) {
                continue;
            }
            let Ok(meta) = fs::symlink_metadata(entry.path()) else { continue };
            let mut found = attributes(&meta);
            if manners.bare {
                found = FileAttributes::empty();
            } else {
                let time = i64::from(found.mtime.unwrap()) + manners.skew;
                found.mtime = Some(u32::try_from(time).unwrap());
            }
            files.push(File::new(file, found));
        }
        Ok(files)
    }
}

impl russh_sftp::server::Handler for Files {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn init(&mut self, _: u32, _: HashMap<String, String>) -> Answer<Version> {
        let manners = self.manners();
        let mut version = Version::new();
        if manners.fsync {
            version.extensions.insert("fsync@openssh.com".into(), "1".into());
        }
        if manners.hash {
            version.extensions.insert("check-file".into(), "1".into());
        }
        Ok(version)
    }

    async fn open(
        &mut self,
        id: u32,
        name: String,
        flags: OpenFlags,
        attrs: FileAttributes,
    ) -> Answer<Handle> {
        let writes = flags.contains(OpenFlags::WRITE);
        let deeds = self.begin(if writes { Kind::Create } else { Kind::Open }, &name).await?;
        let reads = flags.contains(OpenFlags::READ);
        if writes && reads && self.manners().write_only {
            return Err(StatusCode::PermissionDenied);
        }
        let opened = fs::OpenOptions::new()
            .read(reads)
            .write(writes)
            .create_new(flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUDE))
            .mode(attrs.permissions.unwrap_or(0o644))
            .open(self.path(&name));
        let handle = self.keep(Open::File(opened.map_err(|error| refuse(&error))?));
        self.end(&deeds).await;
        Ok(Handle { id, handle })
    }

    async fn close(&mut self, id: u32, handle: String) -> Answer<Status> {
        let deeds = self.begin(Kind::Close, &handle).await?;
        self.open.remove(&handle).ok_or(StatusCode::BadMessage)?;
        self.end(&deeds).await;
        Ok(fine(id))
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, len: u32) -> Answer<Data> {
        let deeds = self.begin(Kind::Read, &handle).await?;
        let mut most = usize::try_from(len).unwrap();
        for deed in &deeds {
            if let Deed::Short(length) = deed {
                most = most.min(*length);
            }
        }
        let mut data = vec![0; most];
        let read = self.file(&handle)?.read_at(&mut data, offset);
        data.truncate(read.map_err(|error| refuse(&error))?);
        self.end(&deeds).await;
        if data.is_empty() { Err(StatusCode::Eof) } else { Ok(Data { id, data }) }
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Answer<Status> {
        let deeds = self.begin(Kind::Write, &handle).await?;
        let file = self.file(&handle)?;
        file.seek(SeekFrom::Start(offset)).map_err(|error| refuse(&error))?;
        file.write_all(&data).map_err(|error| refuse(&error))?;
        self.end(&deeds).await;
        Ok(fine(id))
    }

    async fn lstat(&mut self, id: u32, name: String) -> Answer<Attrs> {
        let deeds = self.begin(Kind::Stat, &name).await?;
        let meta = fs::symlink_metadata(self.path(&name)).map_err(|error| refuse(&error))?;
        self.end(&deeds).await;
        Ok(Attrs { id, attrs: Self::sized(attributes(&meta), &deeds) })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Answer<Attrs> {
        let deeds = self.begin(Kind::Fstat, &handle).await?;
        let meta = self.file(&handle)?.metadata().map_err(|error| refuse(&error))?;
        self.end(&deeds).await;
        Ok(Attrs { id, attrs: Self::sized(attributes(&meta), &deeds) })
    }

    async fn fsetstat(&mut self, id: u32, handle: String, to: FileAttributes) -> Answer<Status> {
        let deeds = self.begin(Kind::Setstat, &handle).await?;
        if let Some(mode) = to.permissions {
            let file = self.file(&handle)?;
            let set = file.set_permissions(fs::Permissions::from_mode(mode & 0o7777));
            set.map_err(|error| refuse(&error))?;
        }
        if to.uid.is_some() {
            let file = self.file(&handle)?;
            std::os::unix::fs::fchown(&*file, to.uid, to.gid).map_err(|error| refuse(&error))?;
        }
        self.end(&deeds).await;
        Ok(fine(id))
    }

    async fn opendir(&mut self, id: u32, name: String) -> Answer<Handle> {
        let deeds = self.begin(Kind::Opendir, &name).await?;
        let files = self.listing(&name)?;
        let handle = self.keep(Open::Directory(Some(files)));
        self.end(&deeds).await;
        Ok(Handle { id, handle })
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Answer<Name> {
        let deeds = self.begin(Kind::Readdir, &handle).await?;
        let Some(Open::Directory(left)) = self.open.get_mut(&handle) else {
            return Err(StatusCode::BadMessage);
        };
        let mut files = left.take().unwrap_or_default();
        let rest = files.split_off(files.len().min(100));
        *left = (!rest.is_empty()).then_some(rest);
        self.end(&deeds).await;
        if files.is_empty() { Err(StatusCode::Eof) } else { Ok(Name { id, files }) }
    }

    async fn remove(&mut self, id: u32, name: String) -> Answer<Status> {
        let deeds = self.begin(Kind::Remove, &name).await?;
        fs::remove_file(self.path(&name)).map_err(|error| refuse(&error))?;
        self.end(&deeds).await;
        Ok(fine(id))
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Answer<Status> {
        let deeds = self.begin(Kind::Rename, &to).await?;
        if !self.manners().overwrites && self.path(&to).exists() {
            return Err(StatusCode::Failure);
        }
        fs::rename(self.path(&from), self.path(&to)).map_err(|error| refuse(&error))?;
        self.end(&deeds).await;
        Ok(fine(id))
    }

    async fn extended(&mut self, id: u32, request: String, data: Vec<u8>) -> Answer<Packet> {
        let manners = self.manners();
        let length = usize::try_from(u32::from_be_bytes(data[..4].try_into().unwrap())).unwrap();
        let handle = String::from_utf8(data[4..4 + length].to_vec()).unwrap();
        match request.as_str() {
            "fsync@openssh.com" if manners.fsync => {
                let deeds = self.begin(Kind::Fsync, &handle).await?;
                self.file(&handle)?.sync_all().map_err(|error| refuse(&error))?;
                self.end(&deeds).await;
                Ok(fine(id).into())
            }
            "check-file-handle" if manners.hash => {
                let deeds = self.begin(Kind::Hash, &handle).await?;
                let mut content = Vec::new();
                let file = self.file(&handle)?;
                file.seek(SeekFrom::Start(0)).unwrap();
                file.read_to_end(&mut content).map_err(|error| refuse(&error))?;
                if manners.lies {
                    content.push(0);
                }
                let mut answer = b"\0\0\0\x06sha256".to_vec();
                answer.extend(sha2::Sha256::digest(&content));
                self.end(&deeds).await;
                Ok(ExtendedReply { id, data: answer }.into())
            }
            _ => Err(StatusCode::OpUnsupported),
        }
    }
}
