"""page.py CHROMIUM SCENARIO URL PASSWORD KEY: people at the page over TLS."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "web"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "access"))

from browser import cookies, log_in, names  # noqa: E402
from chromium import SCENARIOS, Chromium, expect, scenario  # noqa: E402


@scenario
def secure(browser, url, password):
    """Bob logs in and restarts his program; what he is known by never goes over plain HTTP."""
    browser.look(1280)
    browser.go(url)
    expect("the page to log in at", browser.value("location.pathname") == "/login.html", browser)
    log_in(browser, "bob", password)
    expect("the first page", browser.value("location.href") == url, browser)
    expect("web alone", names(browser) == ["web"], browser)
    kept = cookies(browser)
    expect(f"one cookie for TLS alone, not {kept}",
           [(c["secure"], c["httpOnly"], c.get("sameSite")) for c in kept] == [(True, True, "Strict")], browser)
    browser.click("button[aria-label='Restart web']")
    expect("the message", browser.text("[role=status]") == "Process web restarted", browser)
    loud = browser.told("")
    expect(f"silence, not {loud}", not loud, browser)
    browser.click("div.who form button")
    expect("the page to log in at", browser.value("location.pathname") == "/login.html", browser)
    expect("no cookie", cookies(browser) == [], browser)


def main():
    binary, name, url, password, key = sys.argv[1:]
    # It knows no authority of tests: it is told which key is the right one.
    with Chromium(binary, ["--ignore-certificate-errors-spki-list=" + key]) as browser:
        SCENARIOS[name](browser, url, password)


if __name__ == "__main__":
    main()
