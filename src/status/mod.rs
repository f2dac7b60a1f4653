//! The HTTP page and its JSON: what an admin looks at when somebody asks "where is my fax?".
//!
//! Reads only; there is nothing to press. Listens on loopback, needs no JavaScript, loads nothing from elsewhere.
//! Few read at a time (`connections`). Numbers and station identifications on it come from strangers: every one is escaped by the template engine.

mod connections;
mod guard;
mod page;
pub mod snapshot;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::middleware::from_fn;
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use connections::Limited;
use page::Page;
pub use snapshot::Snapshot;

/// Where the page takes its facts from.
pub trait Source: Send + Sync + 'static {
    /// What is known now.
    fn snapshot(&self) -> impl Future<Output = Snapshot> + Send;

    /// The first page of a fax as a PNG, where there is one and the site lets it be seen.
    fn preview(&self, fax: &str) -> impl Future<Output = Option<Vec<u8>>> + Send;
}

/// How the page is reached and read.
#[derive(Debug, Clone)]
pub struct Site {
    /// Host names it answers to beside `localhost` and the loopback addresses: those of a reverse proxy.
    pub names: Vec<String>,
    /// Where its readers live.
    pub zone: TimeZone,
}

/// How long the queue may take to tell its state.
const SOURCE_PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 5000 });
/// How long requests in progress may take once we are told to stop.
const FAREWELL: Duration = Duration::from_secs(2);

/// Serves the page on `listener` until `shutdown`.
///
/// # Errors
/// The listener's.
pub async fn serve<S: Source>(
    listener: TcpListener,
    site: Site,
    source: Arc<S>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let serving = axum::serve(Limited::new(listener), routes(site, source))
        .with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        served = serving => served,
        () = overdue => Ok(()),
    }
}

struct Desk<S> {
    page: Page,
    source: Arc<S>,
}

fn routes<S: Source>(site: Site, source: Arc<S>) -> Router {
    let names = Arc::new(site.names);
    let page = Page::new(site.zone);
    Router::new()
        .route("/", get(show_page::<S>))
        .route("/status.json", get(show_json::<S>))
        .route("/healthz", get(show_health::<S>))
        .route("/style.css", get(show_style))
        .route("/preview/{file}", get(show_preview::<S>))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn(move |request, next| {
            guard::check_host(names.clone(), request, next)
        }))
        .layer(from_fn(guard::add_security_headers))
        .with_state(Arc::new(Desk { page, source }))
}

type Asked<S> = State<Arc<Desk<S>>>;

async fn show_page<S: Source>(State(desk): Asked<S>) -> Response {
    let snapshot = match desk.ask().await {
        Ok(snapshot) => snapshot,
        Err(silence) => return silence,
    };
    match desk.page.render(&snapshot) {
        Ok(html) => Html(html).into_response(),
        Err(e) => {
            tracing::error!("status page: {e:#}");
            let words = "The page could not be drawn; the log says why.\n";
            (StatusCode::INTERNAL_SERVER_ERROR, words).into_response()
        }
    }
}

async fn show_json<S: Source>(State(desk): Asked<S>) -> Response {
    match desk.ask().await {
        Ok(snapshot) => Json(snapshot).into_response(),
        Err(silence) => silence,
    }
}

/// 200 "ok", or 503 with one reason a line: for load balancers and watchdogs.
async fn show_health<S: Source>(State(desk): Asked<S>) -> Response {
    match desk.ask().await {
        Ok(snapshot) if snapshot.problems.is_empty() => "ok\n".into_response(),
        Ok(snapshot) => {
            let reasons = snapshot.problems.join("\n") + "\n";
            (StatusCode::SERVICE_UNAVAILABLE, reasons).into_response()
        }
        Err(silence) => silence,
    }
}

/// `/preview/ID.png`.
async fn show_preview<S: Source>(
    State(desk): Asked<S>,
    Path(file): Path<String>,
    uri: Uri,
) -> Response {
    let fax = file.strip_suffix(".png").unwrap_or_default();
    let asked = tokio::time::timeout(SOURCE_PATIENCE, desk.source.preview(fax)).await;
    match asked.ok().flatten() {
        Some(png) => ([(header::CONTENT_TYPE, "image/png")], png).into_response(),
        None => not_found(uri).await,
    }
}

async fn show_style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        // The page asks for it by version, so an upgrade is seen at once.
        (header::CACHE_CONTROL, "max-age=86400"),
    ];
    (headers, include_str!("style.css")).into_response()
}

async fn not_found(uri: Uri) -> Response {
    let words = "There is nothing here. Try /, /status.json or /healthz.";
    refusal(StatusCode::NOT_FOUND, &uri, words)
}

async fn not_allowed(uri: Uri) -> Response {
    let words = "This page is only for reading: GET or HEAD.";
    refusal(StatusCode::METHOD_NOT_ALLOWED, &uri, words)
}

/// A refusal in the kind that was asked for.
fn refusal(status: StatusCode, uri: &Uri, words: &str) -> Response {
    if uri.path().ends_with(".json") {
        let body = serde_json::json!({ "error": words });
        return (status, Json(body)).into_response();
    }
    (status, format!("{words}\n")).into_response()
}

impl<S: Source> Desk<S> {
    async fn ask(&self) -> Result<Snapshot, Response> {
        let asked = tokio::time::timeout(SOURCE_PATIENCE, self.source.snapshot()).await;
        asked.map_err(|_| {
            let words = "The queue did not tell its state in time.\n";
            (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
        })
    }
}

#[cfg(test)]
mod tests;
