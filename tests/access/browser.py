"""browser.py CHROMIUM SCENARIO URL PASSWORD: what people with a role see and do at the page."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "web"))

from chromium import SCENARIOS, Chromium, expect, scenario  # noqa: E402


def fill(browser, selector, text):
    """What a person types into a field."""
    quoted = json.dumps(selector)
    browser.wait(f"a field {selector}", lambda: browser.value(f"!!document.querySelector({quoted})"))
    browser.value(f"document.querySelector({quoted}).focus()")
    browser.ask("Input.insertText", text=text)


def log_in(browser, user, password):
    fill(browser, "input[name=user]", user)
    fill(browser, "input[name=password]", password)
    browser.click("form.login button")


def names(browser):
    return browser.value("[...document.querySelectorAll('td.name')].map(e => e.innerText.trim())")


def cookies(browser):
    return browser.ask("Network.getCookies")["cookies"]


@scenario
def bob(browser, url, password):
    """Bob restarts nginx, reads its log, and is shown nothing else."""
    browser.look(1280)
    browser.go(url)
    expect("the page to log in at", browser.value("location.pathname") == "/login.html", browser)
    log_in(browser, "bob", "wrong")
    expect("the refusal", browser.text("[role=alert]") != "", browser)
    expect("no session", cookies(browser) == [], browser)
    log_in(browser, "bob", password)
    expect("the first page", browser.value("location.href") == url, browser)
    expect("nginx alone", names(browser) == ["nginx"], browser)
    expect("no other program", "database" not in browser.text() and "shop" not in browser.text(), browser)
    kept = cookies(browser)
    expect("one cookie that scripts and other sites do not get",
           [(c["httpOnly"], c.get("sameSite")) for c in kept] == [(True, "Strict")], browser)
    expect("nothing for scripts to read", browser.value("document.cookie") == "", browser)
    expect(f"the button of a restart and no others, not {buttons(browser)}", buttons(browser) == ["Restart nginx"], browser)
    browser.click("button[aria-label='Restart nginx']")
    expect("the message", browser.text("[role=status]") == "Process nginx restarted", browser)
    browser.value("document.querySelector('td.name a').removeAttribute('target')")
    browser.click("td.name a")
    expect("the log", "front: listening on" in browser.text(), browser)
    # What no button offers is refused, by a link as by a form of one's own making.
    for query in ("action=stop&processname=nginx", "action=stopall", "action=restart&processname=database"):
        browser.go(f"{url}index.html?{query}")
        if browser.value("!!document.querySelector('button.main')"):
            browser.click("button.main")
        text = browser.text()
        expect(f"a refusal of {query}", "stopped" not in text and "restarted" not in text, browser)
    browser.go(url)
    expect("nginx still runs", "running" in browser.text("td.state").lower(), browser)
    # Nothing has been forbidden by the policy of the pages: it is the second wall.
    loud = browser.told("")
    expect(f"silence, not {loud}", not loud, browser)
    browser.click("div.who form button")
    expect("the page to log in at", browser.value("location.pathname") == "/login.html", browser)
    browser.go(url)
    expect("still there", browser.value("location.pathname") == "/login.html", browser)


def buttons(browser):
    return browser.value("[...document.querySelectorAll('button[aria-label]')].map(e => e.getAttribute('aria-label'))")


@scenario
def corridor(browser, url, password):
    """Who does not log in may look, and has no buttons; who does has them."""
    browser.look(1280)
    browser.go(url)
    expect("what is public", names(browser) == ["nginx"], browser)
    expect(f"no button that does anything, not {buttons(browser)}", buttons(browser) == [], browser)
    expect("no log", browser.value("document.querySelectorAll('td.name a, td.action a').length") == 0, browser)
    browser.click("div.who a")
    log_in(browser, "bob", password)
    expect("the first page", browser.value("location.href") == url, browser)
    expect("what bob may see", names(browser) == ["nginx"], browser)
    expect(f"bob's buttons, not {buttons(browser)}", {"Restart nginx", "Stop nginx"} <= set(buttons(browser)), browser)


def main():
    binary, name, url, *password = sys.argv[1:]
    with Chromium(binary) as browser:
        SCENARIOS[name](browser, url, *(password or [""]))


if __name__ == "__main__":
    main()
