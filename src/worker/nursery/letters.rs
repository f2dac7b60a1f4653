//! What the daemon and its nursery say to each other: letters over one SEQPACKET socket, each with its descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Octets of the longest letter.
const MAX_LETTER: usize = 512;
/// Most descriptors of a letter.
const MAX_FDS: usize = 2;

/// Daemon to nursery: one more process, please. With it come its control channel and the pipe for its complaints.
#[derive(Debug, Serialize, Deserialize)]
pub struct Birth {
    /// By which the answers name it: a process id may be used again.
    pub birth: u64,
}

/// Nursery to daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum FromNursery {
    /// It lives. With it comes a handle on it (pidfd).
    Born {
        /// Of the request.
        birth: u64,
        /// For logs.
        pid: u32,
    },
    /// The system has no room for it.
    NotBorn {
        /// Of the request.
        birth: u64,
        /// The system's words.
        why: String,
    },
    /// It has ended.
    Died {
        /// Of the request.
        birth: u64,
        /// The signal that killed it.
        signal: Option<i32>,
        /// Its exit code otherwise.
        code: Option<i32>,
    },
}

/// Sends a letter, whole or not at all.
///
/// # Errors
/// As `sendmsg`.
pub fn send<T: Serialize>(
    to: impl AsFd,
    letter: &T,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let octets = serde_json::to_vec(letter)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors"));
    }
    let octets = [IoSlice::new(&octets)];
    Ok(sendmsg(to, &octets, &mut control, SendFlags::NOSIGNAL).map(|_| ())?)
}

/// The next letter and its descriptors; `None` when no more will come.
///
/// # Errors
/// As `recvmsg`; `InvalidData` for what is no letter.
pub fn receive<T: DeserializeOwned>(from: impl AsFd) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut octets = [0; MAX_LETTER];
    let mut into = [IoSliceMut::new(&mut octets)];
    let got = recvmsg(from, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let fds = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    match got.bytes {
        0 => Ok(None),
        length => Ok(Some((serde_json::from_slice(&octets[..length])?, fds))),
    }
}
