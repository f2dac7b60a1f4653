//! The gateway as a whole: it starts, and above all it stops.

use std::path::Path;

use super::*;

fn config(state: &Path) -> Config {
    let text = format!(
        "state_dir = {state:?}\nhostname = \"gw.example\"\n[smtp]\nlisten = [\"127.0.0.1:0\"]\n\
         [sip]\nlisten = [\"udp:127.0.0.1:0\"]\n[status]\nlisten = \"127.0.0.1:0\"\n"
    );
    Config::parse(&text, "test").unwrap()
}

async fn gateway(state: &Path) -> Gateway {
    let mut children = Children::new(None, 60);
    // No call comes, so nobody asks more of it than to start.
    children.program = "/bin/true".into();
    Gateway::start(config(state), children).await.unwrap()
}

#[tokio::test]
async fn told_to_stop_it_stops() {
    let state = tempfile::tempdir().unwrap();
    let stopped = gateway(state.path()).await.stop(CancellationToken::new());
    timeout(Duration::from_secs(5), stopped)
        .await
        .expect("SIGTERM must end the daemon");
}

#[tokio::test]
async fn work_that_never_ends_does_not_hold_up_the_stop() {
    let state = tempfile::tempdir().unwrap();
    let mut gateway = gateway(state.path()).await;
    gateway.last_words = Duration::from_millis(50);
    gateway.calls.spawn(std::future::pending::<()>());
    let hurry = CancellationToken::new();
    hurry.cancel();
    timeout(Duration::from_secs(5), gateway.stop(hurry))
        .await
        .expect("a full disk must not keep the daemon from ending");
}
