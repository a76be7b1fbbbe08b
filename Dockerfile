FROM python:3.13-slim-bookworm

# The code lies in /opt/pulsemon, the data (pulsemon.db, perhaps a .env) in the working directory, which is the volume.
# PYTHONSAFEPATH: nothing among the data is ever imported.
ENV PYTHONPATH=/opt/pulsemon \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1

# A fixed id, so that a folder of the host mounted at /data can be given to it: chown 10001:10001 FOLDER.
RUN useradd --uid 10001 --user-group --no-log-init --no-create-home --home-dir /data --shell /usr/sbin/nologin pulsemon \
    && install --directory --owner 10001 --group 10001 --mode 0750 /data

# Before the code, so that a change of the code does not install everything again.
COPY requirements.txt /opt/pulsemon/
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action ignore -r /opt/pulsemon/requirements.txt

COPY LICENSE /opt/pulsemon/
COPY docker/healthcheck.py /opt/pulsemon/docker/
COPY app /opt/pulsemon/app
COPY pulsemon /opt/pulsemon/pulsemon
# The user of the container cannot write there, so this is the only chance to compile once and not at every start.
RUN python -m compileall -q /opt/pulsemon

USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8088
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "/opt/pulsemon/docker/healthcheck.py"]
CMD ["python", "-m", "pulsemon", "serve"]
