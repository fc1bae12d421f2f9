//! Messages in, messages out: frames, JSON, and who waits for whom. Reading never waits for a
//! handler or for the client, and what cannot be read costs one answer. Knows no method but those
//! that begin and end a session.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tower_lsp::ClientSocket;
use tower_lsp::jsonrpc::{Error, ErrorCode, Id, Request, Response};
use tower_service::Service;

use crate::ordered::Ordered;

/// The longest message that is read; a text of this length could not be analysed while one waits.
const MAX_BODY: u64 = 512 << 20;

/// The longest line of a header that is kept.
const MAX_HEADER: u64 = 8 << 10;

/// How many requests may wait for their answers; those beyond are refused, so that no client can
/// make us keep more than it could ever use.
const MAX_WAITING: usize = 1_024;

/// How long answers may take that are still due when the client ends the session.
const LAST_ANSWERS: Duration = Duration::from_millis(100);

/// Serves until the client says `exit` or closes its end.
pub(crate) async fn serve<I, O>(input: I, output: O, service: Ordered, socket: ClientSocket)
where
    I: AsyncRead + Unpin,
    O: AsyncWrite,
{
    let (sender, answers) = unbounded_channel();
    let (requests, to_client) = socket.split();
    let reader = Reader {
        service,
        to_client,
        sender,
        waiting: JoinSet::new(),
    };
    let reading = reader.run(BufReader::new(input));
    tokio::join!(reading, write(output, answers, requests));
}

/// What a frame holds.
enum Frame {
    Body(Vec<u8>),
    /// Bytes that are no frame, up to the next one.
    Garbage,
    TooLong,
}

struct Reader<S> {
    service: Ordered,
    to_client: S,
    sender: UnboundedSender<Response>,
    waiting: JoinSet<()>,
}

impl<S: futures_util::Sink<Response> + Unpin> Reader<S> {
    async fn run(mut self, mut input: impl AsyncBufRead + Unpin) {
        loop {
            let frame = match read_frame(&mut input).await {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(kind = ?error.kind(), "reading failed");
                    return;
                }
            };
            let message = match frame {
                Frame::Body(body) => read_message(&body),
                Frame::Garbage => Err(Error::parse_error()),
                Frame::TooLong => Err(too_long()),
            };
            match message {
                Ok(Incoming::Request(request)) => {
                    if !self.handle(request).await {
                        break;
                    }
                }
                Ok(Incoming::Response(response)) => {
                    let _ = self.to_client.send(response).await;
                }
                Err(error) => {
                    tracing::warn!(code = ?error.code, "a message that cannot be read was ignored");
                    self.reply(Response::from_error(Id::Null, error));
                }
            }
        }
        let due = async { while self.waiting.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_ANSWERS, due).await;
    }

    /// Handles one request or notification; says whether the session goes on.
    async fn handle(&mut self, request: Request) -> bool {
        let ready = std::future::poll_fn(|context| self.service.poll_ready(context)).await;
        if ready.is_err() {
            return false;
        }
        let ends = request.method() == "exit";
        // Nothing that follows may be looked at before these are over.
        let alone = ends || matches!(request.method(), "initialize" | "shutdown");
        let id = request.id().cloned();
        let mut future = self.service.call(request);
        let answer = if alone {
            Some(future.as_mut().await)
        } else {
            now_or_later(&mut future).await
        };
        match answer {
            Some(Ok(Some(response))) => self.reply(response),
            Some(_) => {}
            None => {
                while self.waiting.try_join_next().is_some() {}
                if self.waiting.len() >= MAX_WAITING {
                    if let Some(id) = id {
                        self.reply(Response::from_error(id, too_many()));
                    }
                    return true;
                }
                let sender = self.sender.clone();
                self.waiting.spawn(async move {
                    if let Ok(Some(response)) = future.await {
                        let _ = sender.send(response);
                    }
                });
            }
        }
        !ends
    }

    fn reply(&self, response: Response) {
        // The writer ends only with the client.
        let _ = self.sender.send(response);
    }
}

/// The result of a future that has one at once.
async fn now_or_later<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn write<O: AsyncWrite>(
    output: O,
    mut answers: UnboundedReceiver<Response>,
    mut requests: impl futures_util::Stream<Item = Request> + Unpin,
) {
    let mut output = std::pin::pin!(output);
    let mut bytes = Vec::new();
    let mut asks = true;
    loop {
        tokio::select! {
            // What a handler said before it answered comes before its answer.
            biased;
            request = requests.next(), if asks => match request {
                Some(request) => encode(&request, &mut bytes),
                None => asks = false,
            },
            answer = answers.recv() => match answer {
                Some(answer) => encode(&answer, &mut bytes),
                None => return,
            },
        }
        let written = async {
            output.write_all(&bytes).await?;
            output.flush().await
        };
        if written.await.is_err() {
            // Nobody reads; what is left to do is to wait for the end of the input.
            answers.close();
            while answers.recv().await.is_some() {}
            while requests.next().await.is_some() {}
            return;
        }
        bytes.clear();
        bytes.shrink_to(1 << 16);
    }
}

fn encode(message: &impl serde::Serialize, bytes: &mut Vec<u8>) {
    let Ok(body) = serde_json::to_vec(message) else {
        return;
    };
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(&body);
}

enum Incoming {
    Request(Request),
    Response(Response),
}

#[derive(Deserialize)]
struct Kind {
    method: Option<IgnoredAny>,
}

fn read_message(body: &[u8]) -> Result<Incoming, Error> {
    let error = |error: serde_json::Error| {
        if error.is_data() {
            Error::invalid_request()
        } else {
            Error::parse_error()
        }
    };
    let kind: Kind = serde_json::from_slice(body).map_err(error)?;
    if kind.method.is_some() {
        serde_json::from_slice(body).map(Incoming::Request)
    } else {
        serde_json::from_slice(body).map(Incoming::Response)
    }
    .map_err(error)
}

/// The next frame; `None` at the end of the input.
async fn read_frame(input: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Frame>> {
    const NAME: &[u8] = b"content-length:";
    let mut length = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut *input).take(MAX_HEADER);
        if limited.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        let text = line.trim_ascii().to_ascii_lowercase();
        if text.is_empty() {
            if let Some(length) = length {
                return read_body(input, length).await;
            }
            continue;
        }
        // What went wrong before may have left something on the line.
        let at = text.windows(NAME.len()).position(|it| it == NAME);
        if let Some(at) = at {
            let number = std::str::from_utf8(text[at + NAME.len()..].trim_ascii());
            length = number.ok().and_then(|it| it.parse().ok());
            if at == 0 && length.is_some() {
                continue;
            }
            if length.is_none() {
                return Ok(Some(Frame::Garbage));
            }
        } else if !text.contains(&b':') || text.starts_with(b"{") {
            return Ok(Some(Frame::Garbage));
        }
    }
}

async fn read_body(
    input: &mut (impl AsyncBufRead + Unpin),
    length: u64,
) -> std::io::Result<Option<Frame>> {
    let mut limited = input.take(length);
    if length > MAX_BODY {
        let skipped = tokio::io::copy(&mut limited, &mut tokio::io::sink()).await?;
        return Ok((skipped == length).then_some(Frame::TooLong));
    }
    // The length is the client's word; memory follows what really comes.
    let mut body = Vec::with_capacity(usize::try_from(length.min(1 << 16)).unwrap_or_default());
    limited.read_to_end(&mut body).await?;
    Ok((body.len() as u64 == length).then_some(Frame::Body(body)))
}

fn too_long() -> Error {
    Error {
        code: ErrorCode::InvalidRequest,
        message: format!("the message is longer than {} MiB", MAX_BODY >> 20).into(),
        data: None,
    }
}

fn too_many() -> Error {
    Error {
        code: ErrorCode::ServerError(-32_803),
        message: format!("{MAX_WAITING} requests are waiting for their answers").into(),
        data: None,
    }
}
