//! The PAM helper. What PAM's library is called by, as few lines as do it; the only file with `unsafe`.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::{null, null_mut};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// PAM's handle; opaque.
#[repr(C)]
struct Handle([u8; 0]);

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    code: c_int,
}

/// `struct pam_conv`.
#[repr(C)]
struct Conversation {
    converse:
        extern "C" fn(c_int, *const *const Message, *mut *mut Response, *const c_void) -> c_int,
    answers: *const c_void,
}

const SUCCESS: c_int = 0;
const BUF_ERR: c_int = 5;
const CONV_ERR: c_int = 19;
/// Items.
const USER: c_int = 2;
const FAIL_DELAY: c_int = 10;
/// Flags: nothing for a user to read; who has no password proves nothing.
const SILENT: c_int = 0x8000;
const DISALLOW_NULL_AUTHTOK: c_int = 1;
/// Styles of messages.
const PROMPT_ECHO_OFF: c_int = 1;
const PROMPT_ECHO_ON: c_int = 2;
const ERROR_MSG: c_int = 3;
const TEXT_INFO: c_int = 4;
/// The most messages at once, PAM_MAX_NUM_MSG.
const MESSAGES: usize = 32;

// Its name in full: the link libpam.so is of the package for developers.
#[link(name = "libpam.so.0", kind = "dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    fn pam_start(
        service: *const c_char,
        user: *const c_char,
        conversation: *const Conversation,
        handle: *mut *mut Handle,
    ) -> c_int;
    fn pam_set_item(handle: *mut Handle, item: c_int, value: *const c_void) -> c_int;
    fn pam_get_item(handle: *const Handle, item: c_int, value: *mut *const c_void) -> c_int;
    fn pam_authenticate(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_acct_mgmt(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_end(handle: *mut Handle, status: c_int) -> c_int;
}

/// What modules are told that ask.
pub struct Answers<'a> {
    pub name: &'a CStr,
    pub password: &'a CStr,
}

/// One transaction with PAM. It borrows the answers for as long as it is.
pub struct Pam<'a> {
    handle: *mut Handle,
    status: c_int,
    answers: std::marker::PhantomData<&'a Answers<'a>>,
}

impl<'a> Pam<'a> {
    /// Begins. `None` where PAM cannot be used.
    pub fn start(service: &CStr, answers: &'a Answers<'a>) -> Option<Pam<'a>> {
        let conversation = Conversation { converse, answers: (&raw const *answers).cast() };
        let mut handle = null_mut();
        let (service, user) = (service.as_ptr(), answers.name.as_ptr());
        // SAFETY: the strings end in NUL and are copied, as is the conversation; the answers that it points to are
        // borrowed for longer than the handle lives.
        let status = unsafe { pam_start(service, user, &raw const conversation, &raw mut handle) };
        if status != SUCCESS || handle.is_null() {
            return None;
        }
        // How often anybody may try is bounded elsewhere: a delay here would only keep others from trying.
        let delay = no_delay as extern "C" fn(c_int, libc::c_uint, *mut c_void);
        // SAFETY: the handle is a live one, and the item is a pointer to a function of this very type.
        let status = unsafe { pam_set_item(handle, FAIL_DELAY, delay as *const c_void) };
        let pam = Pam { handle, status, answers: std::marker::PhantomData };
        (status == SUCCESS).then_some(pam)
    }

    /// Whether the proof is good.
    pub fn authenticate(&mut self) -> bool {
        // SAFETY: the handle is a live one.
        self.status = unsafe { pam_authenticate(self.handle, SILENT | DISALLOW_NULL_AUTHTOK) };
        self.status == SUCCESS
    }

    /// Whether the account may be used now: neither locked, nor expired, nor with a password that has to be changed.
    /// Alone it proves nothing.
    pub fn account(&mut self) -> bool {
        // SAFETY: the handle is a live one.
        self.status = unsafe { pam_acct_mgmt(self.handle, SILENT | DISALLOW_NULL_AUTHTOK) };
        self.status == SUCCESS
    }

    /// Whether it is about this user; a module may have put another one in its place.
    pub fn is_about(&self, name: &CStr) -> bool {
        let mut user: *const c_void = null();
        // SAFETY: the handle is a live one, and `user` a live local.
        let status = unsafe { pam_get_item(self.handle, USER, &raw mut user) };
        if status != SUCCESS || user.is_null() {
            return false;
        }
        // SAFETY: this item is a string that ends in NUL and is PAM's until the handle is used again.
        let user = unsafe { CStr::from_ptr(user.cast()) };
        user == name
    }
}

impl Drop for Pam<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is a live one, and nobody uses it after this.
        unsafe { pam_end(self.handle, self.status) };
    }
}

extern "C" fn no_delay(_status: c_int, _micros: libc::c_uint, _data: *mut c_void) {}

/// Answers each message: a prompt without echo with the password, one with echo with the name, what is only to be read
/// with nothing. Whatever else a module wants there is nobody to ask for.
extern "C" fn converse(
    count: c_int,
    messages: *const *const Message,
    responses: *mut *mut Response,
    answers: *const c_void,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    let nothing = messages.is_null() || responses.is_null() || answers.is_null();
    if nothing || !(1..=MESSAGES).contains(&count) {
        return CONV_ERR;
    }
    // SAFETY: it is what `Pam::start` gave, which is borrowed for as long as the handle lives.
    let answers = unsafe { &*answers.cast::<Answers<'_>>() };
    // SAFETY: as a module on Linux gives them: that many pointers to messages.
    let messages = unsafe { std::slice::from_raw_parts(messages, count) };
    // SAFETY: no pointers. All zeros is an array of empty responses.
    let made: *mut Response = unsafe { libc::calloc(count, size_of::<Response>()) }.cast();
    if made.is_null() {
        return BUF_ERR;
    }
    // SAFETY: there are that many, zeroed, and nobody else has them.
    let empty = unsafe { std::slice::from_raw_parts_mut(made, count) };
    for (response, message) in empty.iter_mut().zip(messages) {
        // SAFETY: as a module gives it: a live message, or null.
        let style = unsafe { message.as_ref() }.map_or(0, |message| message.style);
        let word = match style {
            PROMPT_ECHO_OFF => answers.password,
            PROMPT_ECHO_ON => answers.name,
            ERROR_MSG | TEXT_INFO => continue,
            _ => return give_up(made, empty, CONV_ERR),
        };
        // SAFETY: the word ends in NUL. The copy is PAM's, which frees it.
        response.text = unsafe { libc::strdup(word.as_ptr()) };
        if response.text.is_null() {
            return give_up(made, empty, BUF_ERR);
        }
    }
    // SAFETY: it was checked, and is a place for one pointer. PAM frees what it leads to.
    unsafe { *responses = made };
    SUCCESS
}

/// Wipes and frees what PAM will not get.
fn give_up(made: *mut Response, responses: &mut [Response], status: c_int) -> c_int {
    for text in responses.iter().map(|response| response.text).filter(|text| !text.is_null()) {
        // SAFETY: a string that strdup made.
        let length = unsafe { libc::strlen(text) };
        // SAFETY: as long as the string is.
        unsafe { libc::explicit_bzero(text.cast(), length) };
        // SAFETY: nobody else has it.
        unsafe { libc::free(text.cast()) };
    }
    // SAFETY: calloc made it, and the slice of it ends here.
    unsafe { libc::free(made.cast()) };
    status
}

/// Overwrites a secret, and the compiler may not leave that out.
pub fn wipe(bytes: &mut [u8]) {
    // SAFETY: the memory is ours alone, and all of it.
    unsafe { libc::explicit_bzero(bytes.as_mut_ptr().cast(), bytes.len()) }
}

/// The socket that the spawner put on this descriptor, made one that waits. Once.
pub fn socket(number: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: no pointers.
    Errno::result(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    // SAFETY: it is open, and nothing else here has the number.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl(&socket, FcntlArg::F_SETFL(OFlag::empty()))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    static ANSWERS: Answers<'static> = Answers { name: c"carol", password: c"hunter2" };

    fn talk(styles: &[c_int]) -> Result<Vec<Option<String>>, c_int> {
        let messages: Vec<Message> =
            styles.iter().map(|style| Message { style: *style, text: null() }).collect();
        let list: Vec<*const Message> =
            messages.iter().map(|message| &raw const *message).collect();
        let mut made = null_mut();
        let count = c_int::try_from(styles.len()).unwrap();
        let answers: *const c_void = (&raw const ANSWERS).cast();
        match converse(count, list.as_ptr(), &raw mut made, answers) {
            SUCCESS => {}
            status => return Err(status),
        }
        // SAFETY: that many were made.
        let responses = unsafe { std::slice::from_raw_parts(made, styles.len()) };
        let texts = responses.iter().map(|response| {
            assert_eq!(response.code, 0);
            // SAFETY: a string that was made, or null.
            let text = (!response.text.is_null()).then(|| unsafe { CStr::from_ptr(response.text) });
            let text = text.map(|text| text.to_str().unwrap().to_owned());
            // SAFETY: as PAM frees it; null is good.
            unsafe { libc::free(response.text.cast()) };
            text
        });
        let texts = texts.collect();
        // SAFETY: as PAM frees it.
        unsafe { libc::free(made.cast()) };
        Ok(texts)
    }

    #[test]
    fn prompts_are_answered_and_notices_are_not() {
        let texts = talk(&[TEXT_INFO, PROMPT_ECHO_ON, PROMPT_ECHO_OFF, ERROR_MSG]).unwrap();
        let texts: Vec<_> = texts.iter().map(Option::as_deref).collect();
        assert_eq!(texts, [None, Some("carol"), Some("hunter2"), None]);
    }

    #[test]
    fn what_nobody_can_answer_ends_the_conversation() {
        assert_eq!(talk(&[PROMPT_ECHO_OFF, 7]), Err(CONV_ERR));
        assert_eq!(talk(&[0]), Err(CONV_ERR));
        assert_eq!(talk(&[]), Err(CONV_ERR));
        assert_eq!(talk(&[TEXT_INFO; MESSAGES + 1]), Err(CONV_ERR));
        let mut made = null_mut();
        assert_eq!(converse(1, null(), &raw mut made, (&raw const ANSWERS).cast()), CONV_ERR);
        assert!(made.is_null());
    }

    #[test]
    fn it_is_about_whom_it_was_begun_for_and_nobody_else() {
        let answers = Answers { name: c"no-such-account-here", password: c"x" };
        // Any service will do: no module of it is asked. Without one there is no PAM to begin with.
        let mut services = std::fs::read_dir("/etc/pam.d").into_iter().flatten().flatten();
        let service = services.next().map(|e| CString::new(e.file_name().as_bytes()).unwrap());
        let Some(service) = service else {
            assert!(Pam::start(c"supervisor", &answers).is_none());
            return;
        };
        let pam = Pam::start(&service, &answers).expect("a transaction");
        assert!(pam.is_about(answers.name) && !pam.is_about(c"root"));
    }
}
