//! The thread that works behind the one that serves.

use std::io;

/// Lets every other thread go first, for as long as this thread lives: the kernel keeps the priority by thread.
pub fn stand_back() -> io::Result<()> {
    // SAFETY: numbers only; 0 is the calling thread.
    match unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 15) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_can_stand_back_by_itself() {
        let own = || std::fs::read_to_string("/proc/thread-self/stat").expect("stat");
        let nice = |stat: &str| {
            let rest = stat.rsplit_once(')').expect("a name").1.to_owned();
            rest.split_whitespace().nth(16).expect("a field").parse::<i32>().expect("a number")
        };
        let before = nice(&own());
        let there = std::thread::spawn(move || stand_back().map(|()| nice(&own())));
        assert_eq!(there.join().expect("thread").expect("priority"), 15.max(before));
        assert_eq!(nice(&own()), before);
    }
}
