"""Which user agents are robots that fetch an address because it was written somewhere: nobody ran a job.

Names of robots, never what they have in common: services that send pings as ordered (cron-job.org, App Engine, Apps
Script, UptimeRobot) call themselves `compatible` and give an address with a plus just as these do, a library for bots
is no bot, and every browser is a person. docs/heartbeats.md lists them for people.
"""

from __future__ import annotations

import re

# In lower case. A version's slash is part of a name where the name alone is also that of a library or a product. Each
# stands as a word, because `slurpd`, `surfacebot` and `barracuda-backup` are jobs; `*` where more may be joined to it,
# and a hyphen behind a name in `bot` (`Googlebot-Image`).
ROBOTS: tuple[str, ...] = (
    # Chats and mail. iMessage and KakaoTalk say facebookexternalhit too, and Signal says WhatsApp/2.
    "slackbot-linkexpanding", "slackbot 1", "slack-imgproxy", "api.slack.com/robots", "discordbot/", "whatsapp/",
    "telegrambot", "skypeuripreview", "microsoftpreview", "teamsbot", "mattermost-bot", "mattermost/", "rocket.chat/",
    "zulipurlpreview", "synapse (bot", "synapse/", "matrix-media-repo", "conduwuit", "tuwunel", "viber/",
    "viber url downloader", "viberurldownloader", "zoombot",
    "line-poker", "kakaotalk-scrap", "larkurl2png", "larkbot", "dingtalkbot", "dingtalk-linkservice",
    "snap url preview", "webexteams", "revoltchat/january", "nextcloud server crawler", "googleimageproxy",
    "google-pagerenderer", "googlemessages", "google-chat*", "google web preview",
    "developers.google.com/+/web/snippet", "yahoomailproxy", "outlook-linkpreview",
    "microsoft office existence discovery", "microsoft office protocol discovery",
    "ms-office; msoffice", "barracuda", "barracudacentral", "mimecast", "proofpoint", "virustotalcloud", "urlscan",
    "*safelinks*",
    # Networks
    "facebookexternalhit*", "facebot", "facebookcatalog", "meta-externalagent*", "meta-externalfetcher*", "twitterbot",
    "linkedinbot", "redditbot", "pinterestbot", "pinterest.com/bot", "vkshare", "odklbot", "mail.ru_bot", "tumblr/",
    "cardyb", "mastodon/", "misskey/", "summalybot", "pleroma", "akkoma", "friendica", "lemmy/", "gotosocial",
    "iceshrimp", "flipboardproxy", "xing-contenttabreceiver", "bitlybot",
    # Where notes, tickets and pages are written
    "notionbot", "notionembedder", "notion/", "embedly", "iframely", "onebox", "asana/", "clickupbot", "dropboxbot",
    "basecampbot", "pocketparser", "github-camo", "opengraph", "opengraphbot", "opengraphreader", "open graph*",
    "open-graph-scraper", "metascraper", "*linkexpand*", "*unfurl*", "*oembed*",
    # What others name theirs
    "*linkpreview*", "*link-preview*", "*link_preview*", "*link preview*", "*urlpreview*", "*url-preview*",
    "*url_preview*", "*url preview*", "*uripreview*", "bingpreview",
    # Those that search and collect
    "googlebot", "google-inspectiontool", "googleother*", "storebot-google*", "adsbot-google*",
    "mediapartners-google*", "feedfetcher-google*", "google-safety", "google-read-aloud", "bingbot", "adidxbot",
    "msnbot", "duckduckbot", "duckassistbot", "yandex.com/bots", "baiduspider*", "applebot", "petalbot", "seznambot",
    "sogou web spider", "yahoo! slurp", "ahrefsbot", "semrushbot", "mj12bot", "dotbot/", "dataforseobot", "gptbot",
    "chatgpt-user", "oai-searchbot", "claudebot", "claude-user", "perplexitybot", "ccbot/", "bytespider", "amazonbot",
    "ia_archiver*", "archive.org_bot", "censysinspect", "expanse, a palo alto",
)  # fmt: skip


def _pattern(name: str) -> re.Pattern[str]:
    word = name.strip("*")
    begins, ends = word[0].isalnum() and name[0] != "*", word[-1].isalnum() and name[-1] != "*"
    joined = "a-z0-9" if word.endswith("bot") else "a-z0-9_-"
    return re.compile(("(?<![a-z0-9_-])" if begins else "") + re.escape(word) + (f"(?![{joined}])" if ends else ""))


_PATTERNS = tuple((name.strip("*"), _pattern(name)) for name in ROBOTS)


def is_robot(user_agent: str) -> bool:
    """Return whether a request of this agent was made by such a robot.

    One look for each name: 5 us for the longest agent that is kept, so whoever asks for every request remembers it.
    """
    agent = user_agent.lower()
    return any(name in agent and pattern.search(agent) for name, pattern in _PATTERNS)
