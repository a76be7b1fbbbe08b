"""Which user agents are robots, and which jobs merely have a robot's name within theirs."""

from __future__ import annotations

import pytest

from pulsemon.web.heartbeats.previews import ROBOTS, is_robot

# As they were seen on the wire.
SEEN = [
    "Zoombot (Linkbot 1.0 http://zoom.us/)",
    "Mozilla/5.0 (compatible; Linux x86_64; Mail.RU_Bot/2.0; +http://go.mail.ru/help/robots)",
    "Mozilla/5.0 (compatible; Linux x86_64; Mail.RU_Bot/Img/2.0; +http://go.mail.ru/help/robots)",
    "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
    "Viber Url Downloader",
    "ViberUrlDownloader",
    "github-camo (876de43e)",
    "Barracuda Sentinel (EE)",
    "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
    "Mozilla/5.0 (compatible; Yahoo! Slurp China; http://misc.yahoo.com.cn/help.html)",
    "Googlebot-Image/1.0",
    "GoogleOther-Image/1.0",
    "AdsBot-Google-Mobile-Apps",
    "Mozilla/5.0 (compatible; SemrushBot-BA; +http://www.semrush.com/bot.html)",
    "DuckDuckBot-Https/1.1; (+https://duckduckgo.com/duckduckbot)",
    "msnbot-media/1.1 (+http://search.msn.com/msnbot.htm)",
    "Mozilla/5.0 (compatible; Baiduspider-render/2.0; +http://www.baidu.com/search/spider.html)",
    "Slackbot 1.0 (+https://api.slack.com/robots)",
    "Mozilla/5.0 (compatible; pinterestbot/1.0; +http://www.pinterest.com/bot.html)",
    "AppEngine-Google; (+http://code.google.com/appengine; appid: s~virustotalcloud)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Discourse Forum Onebox v2.8",
    "TeamsLinkPreviewService/1.0",
]
JOBS = [
    "surfacebot",
    "slurpd",
    "slurm-slurp",
    "slurp-nightly/2",
    "AzureSynapse/1.0",
    "azure-synapse/1.0",
    "barracuda-backup-job/1.0",
    "backup-barracuda",
    "barracudas/1",
    "opengraph-updater-cron/1.2",
    "acme-opengraph/3",
    "mimecast-export/1.0",
    "proofpoint_sync/2.0",
    "online-poker/1.0",
    "accbot/1.0",
    "my-twitterbot/1.0",
    "notimastodon/4",
]


@pytest.mark.parametrize("agent", SEEN)
def test_a_robot_is_known(agent: str) -> None:
    assert is_robot(agent)


@pytest.mark.parametrize("agent", JOBS)
def test_a_robots_name_within_another_word_makes_no_robot(agent: str) -> None:
    assert not is_robot(agent)


def test_each_name_of_the_list_is_found_as_a_word_in_any_case() -> None:
    for name in ROBOTS:
        word = name.strip("*")
        assert is_robot(word.upper()), name
        assert is_robot(f"Mozilla/5.0 (compatible; {word} 1.0)"), name
        assert name == name.lower()
