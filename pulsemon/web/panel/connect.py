"""The lines with which a job tells PulseMon that it ran, ready to paste.

Pure text: a ping URL and when it is expected go in. Each tool's own rules of quoting are kept here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

from pulsemon.core.schedule import Calendar, Clock
from pulsemon.core.texts import N_


@dataclass(frozen=True, slots=True)
class Line:
    """One way to connect. `hint` is English, marked for translation; `text` is what is copied."""

    key: str
    title: str
    text: str
    hint: str


def lines(url: str, *, interval_seconds: int, calendar: Calendar | None = None) -> tuple[Line, ...]:
    """Return the ways to connect for a monitor that is expected every *interval_seconds*, or as *calendar* says.

    What goes by the same kind of schedule comes first.
    """
    is_cron = calendar is not None and calendar.clock is not Clock.SYSTEMD
    schedule = calendar.expression if calendar is not None and is_cron else cron_schedule(interval_seconds)
    zone = calendar.timezone if calendar is not None and is_cron else None
    found = (
        Line("curl", "curl", _curl(url), N_("At the end of a script that stops at the first error.")),
        Line("cron", "cron", _cron(url, schedule, zone), _IN_ITS_ZONE if zone else _CRON),
        Line("run", "pulsemon run", _run(url), _RUN),
        Line("systemd", "systemd", _systemd(url), N_("In the [Service] part of the unit that runs your job.")),
        Line("github", "GitHub Actions", _GITHUB, _SECRET),
        Line(
            "kubernetes",
            "Kubernetes",
            _kubernetes(url, schedule, zone),
            N_("A CronJob whose command ends with the ping."),
        ),
        Line("powershell", "PowerShell", _powershell(url), N_("The last line of a script of the Task Scheduler.")),
        Line("python", "Python", _python(url), N_("The standard library is enough.")),
    )
    first = "curl" if calendar is None else "cron" if is_cron else "systemd"
    return tuple(sorted(found, key=lambda line: line.key != first))


_CRON = N_("Your job, and the ping only when it succeeded.")
_IN_ITS_ZONE = N_(
    "Your job, and the ping only when it succeeded. The cron of Debian and Ubuntu passes over CRON_TZ: there write the "
    "hours of the machine's own time zone."
)
_RUN = N_(
    "Tells the start, the end, the exit status and the last lines. Where PulseMon is not installed, copy "
    "pulsemon/client.py there and write python3 client.py for pulsemon."
)
_SECRET = N_("As the last step. Keep the ping URL as the repository secret PULSEMON_URL; a failed job is told too.")


def cron_schedule(interval_seconds: int) -> str:
    """Return five cron fields that fire about every *interval_seconds*, as near as cron can say it."""
    minutes = max(1, interval_seconds // 60)
    if minutes >= 31 * 24 * 60:
        return "0 3 1 * *"
    if minutes >= 7 * 24 * 60:
        return "0 3 * * 0"
    if minutes >= 24 * 60:
        return "0 3 * * *"
    if minutes >= 60:
        hours = max(each for each in (1, 2, 3, 4, 6, 8, 12) if each <= minutes // 60)
        return f"0 */{hours} * * *" if hours > 1 else "0 * * * *"
    step = max(each for each in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30) if each <= minutes)
    return f"*/{step} * * * *" if step > 1 else "* * * * *"


# Ten seconds a try, five tries: a short hiccup of the network is not a job that failed.
def _curl(url: str) -> str:
    return f"curl -fsS -m 10 --retry 5 -o /dev/null '{url}'"


def _cron(url: str, schedule: str, zone: str | None) -> str:
    # An unescaped % ends the command of a crontab line.
    command = _curl(url).replace("%", r"\%")
    in_zone = f"CRON_TZ={zone}\n" if zone else ""
    return f"{in_zone}{schedule} /usr/local/bin/backup.sh && {command}"


def _run(url: str) -> str:
    return f"pulsemon run --url '{url}' -- /usr/local/bin/backup.sh"


def _systemd(url: str) -> str:
    # systemd reads % as a specifier. The leading - keeps a failed ping from failing the job.
    command = _curl(url).replace("%", "%%").replace("curl", "/usr/bin/curl", 1)
    return f"[Service]\nType=oneshot\nExecStart=/usr/local/bin/backup.sh\nExecStartPost=-{command}"


_GITHUB = """\
- name: Tell PulseMon
  if: always()
  env:
    PULSEMON_URL: ${{ secrets.PULSEMON_URL }}
    RESULT: ${{ job.status != 'success' && '/fail' || '' }}
  run: curl -fsS -m 10 --retry 5 -o /dev/null "$PULSEMON_URL$RESULT\""""


def _kubernetes(url: str, schedule: str, zone: str | None) -> str:
    in_zone = f'\n  timeZone: "{zone}"' if zone else ""
    return f"""\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: backup
spec:
  schedule: "{schedule}"{in_zone}
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: backup
              image: example/backup
              env:
                - name: PULSEMON_URL
                  value: "{url}"
              command: ["/bin/sh", "-c"]
              args: ['/backup.sh && wget -q -T 10 -O /dev/null "$PULSEMON_URL"']"""


def _powershell(url: str) -> str:
    return f"Invoke-RestMethod -Uri '{url}' -TimeoutSec 10 | Out-Null"


def _python(url: str) -> str:
    return f'from urllib.request import urlopen\n\nurlopen("{url}", timeout=10).close()'
