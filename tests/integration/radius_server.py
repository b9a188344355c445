"""A FreeRADIUS around the files of deploy/freeradius: EAP-TLS proves a device's certificate, then the gate is asked.

What stands here is what any such server has: where it listens, its own certificate, the CA of devices' certificates.
"""

from __future__ import annotations

from pathlib import Path

SECRET = "between-the-switch-and-the-server"
STOCK = Path("/etc/freeradius/3.0")  # Debian's; `always` gives `reject` its name

_WHOLE = """
prefix = /usr
libdir = /usr/lib/freeradius
confdir = {etc}
raddbdir = {etc}
logdir = {etc}
run_dir = {etc}
pidfile = {etc}/radius.pid
security {{
    reject_delay = 0
}}
client switch {{
    ipaddr = 127.0.0.1
    secret = {secret}
}}
modules {{
    $INCLUDE {stock}/mods-available/always
    $INCLUDE {module}
    eap {{
        default_eap_type = tls
        tls-config devices {{
            private_key_file = {etc}/radius.key
            certificate_file = {etc}/radius.pem
            ca_file = {etc}/devices-ca.pem
            tls_min_version = "1.2"
            tls_max_version = "1.2"
        }}
        tls {{
            tls = devices
        }}
    }}
}}
server default {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {port}
    }}
    authorize {{
        eap
    }}
    authenticate {{
        eap
    }}
    $INCLUDE {site}
}}
"""

_SUPPLICANT = """network={{
    key_mgmt=WPA-EAP
    eap=TLS
    identity="{device}"
    ca_cert="{etc}/edge-ca.pem"
    client_cert="{etc}/{device}.pem"
    private_key="{etc}/{device}.key"
}}
"""


def write_server(etc: Path, *, module: Path, site: Path, port: int) -> None:
    """Write `radiusd.conf` of a server with the two files of deploy/freeradius."""
    text = _WHOLE.format(etc=etc, secret=SECRET, stock=STOCK, module=module, site=site, port=port)
    (etc / "radiusd.conf").write_text(text)


def write_supplicant(etc: Path, device: str) -> Path:
    """Return the configuration of `eapol_test` that shows the device's certificate."""
    target = etc / f"{device}.eap"
    target.write_text(_SUPPLICANT.format(etc=etc, device=device))
    return target
