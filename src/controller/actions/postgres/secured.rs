//! TLS for PostgreSQL's own way of starting it.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use crate::controller::connection::Stream;

/// Starts TLS on a stream.
pub struct Secured {
    /// Whom to trust.
    pub settings: Arc<ClientConfig>,
    /// The name the server has to prove.
    pub host: String,
}

/// A dialled stream under a name of its own: a bare trait object has a lifetime that `TlsConnect` cannot be general over.
pub struct Wire(pub Stream);

/// A stream with TLS.
pub struct SecuredStream(Box<tokio_rustls::client::TlsStream<Wire>>);

impl TlsConnect<Wire> for Secured {
    type Stream = SecuredStream;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<SecuredStream>>;

    fn connect(self, stream: Wire) -> Self::Future {
        Box::pin(async move {
            let name = ServerName::try_from(self.host).map_err(io::Error::other)?;
            let stream = tokio_rustls::TlsConnector::from(self.settings).connect(name, stream).await?;
            Ok(SecuredStream(Box::new(stream)))
        })
    }
}

impl TlsStream for SecuredStream {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

macro_rules! passes_through {
    ($name:ident) => {
        impl AsyncRead for $name {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0).poll_read(cx, buffer)
            }
        }

        impl AsyncWrite for $name {
            fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.0).poll_write(cx, bytes)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0).poll_flush(cx)
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0).poll_shutdown(cx)
            }
        }
    };
}

passes_through!(Wire);
passes_through!(SecuredStream);
