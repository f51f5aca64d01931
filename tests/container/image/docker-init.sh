#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# As SONiC's: supervisord's programs are written anew at each start of the container.
mkdir -p /etc/supervisor/conf.d /var/log/supervisor
cp /usr/share/sonic/templates/supervisord.conf /etc/supervisor/conf.d/supervisord.conf
rm -f /var/run/supervisor.sock /var/run/rsyslogd.pid
exec /usr/bin/supervisord --configuration /etc/supervisor/supervisord.conf
