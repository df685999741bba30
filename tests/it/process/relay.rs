//! A relay on loopback between a process and a server: it passes everything on and notes who was asked
//! for what, as it comes by.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a line of a request asks for, if it is worth a note.
pub type Note = fn(&str) -> Option<String>;

/// A relay; it ends with the runtime that it was started in.
#[derive(Debug, Clone)]
pub struct Relay {
    address: SocketAddr,
    noted: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    /// Before the server at `upstream`.
    pub async fn start(upstream: SocketAddr, note: Note) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Relay { address: listener.local_addr().unwrap(), noted: Arc::default() };
        let noted = relay.noted.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass_on(client, upstream, noted.clone(), note));
            }
        });
        relay
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked for so far, in order.
    pub fn noted(&self) -> Vec<String> {
        self.noted.lock().unwrap().clone()
    }
}

/// Of a request to AWS: a split or a merge.
pub fn reshard(line: &str) -> Option<String> {
    let operation = line.strip_prefix("x-amz-target: Kinesis_20131202.")?;
    matches!(operation, "SplitShard" | "MergeShards").then(|| operation.to_owned())
}

/// Of a request to the API server: a write, leases apart.
pub fn api_write(line: &str) -> Option<String> {
    // The body before it ends without a new line.
    let request = line.strip_suffix(" HTTP/1.1")?;
    let at = ["POST /", "PUT /", "PATCH /", "DELETE /"]
        .into_iter()
        .filter_map(|method| request.rfind(method))
        .max()?;
    let request = &request[at..];
    (!request.contains("/leases")).then(|| request.to_owned())
}

async fn pass_on(mut client: TcpStream, upstream: SocketAddr, noted: Arc<Mutex<Vec<String>>>, note: Note) {
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.split(), server.split());
    let replies = tokio::io::copy(&mut from_server, &mut to_client);
    let requests = async {
        let (mut buffer, mut line) = (vec![0; 16 << 10], Vec::new());
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            for byte in &buffer[..read] {
                line.push(*byte);
                if line.ends_with(b"\r\n") {
                    let text = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
                    noted.lock().unwrap().extend(note(&text));
                    line.clear();
                }
            }
            if to_server.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = replies => {}
        () = requests => {}
    }
}
