$(DOCKER_ORCHAGENT)_DEPENDS += $(PORTSYNCD)
$(DOCKER_ORCHAGENT)_DBG_DEPENDS += $(PORTSYNCD_DBGSYM)
$(DOCKER_ORCHAGENT)_BASE_IMAGE_FILES += portsyncctl:/usr/bin/portsyncctl
$(DOCKER_ORCHAGENT)_BASE_IMAGE_FILES += portsyncd_verify:/usr/bin/portsyncd_verify
$(DOCKER_ORCHAGENT)_BASE_IMAGE_FILES += monit_portsyncd:/etc/monit/conf.d/portsyncd
