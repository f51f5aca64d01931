# SPDX-License-Identifier: Apache-2.0
# rules/portsyncd.mk of sonic-buildimage: portsyncd's package, built from the submodule src/portsyncd. Its libraries are
# Debian's. The version is that of debian/changelog there.

PORTSYNCD_VERSION = 0.3.0

PORTSYNCD = portsyncd_$(PORTSYNCD_VERSION)_$(CONFIGURED_ARCH).deb
$(PORTSYNCD)_SRC_PATH = $(SRC_PATH)/portsyncd
SONIC_DPKG_DEBS += $(PORTSYNCD)

# For the debug image.
PORTSYNCD_DBGSYM = portsyncd-dbgsym_$(PORTSYNCD_VERSION)_$(CONFIGURED_ARCH).deb
$(eval $(call add_derived_package,$(PORTSYNCD),$(PORTSYNCD_DBGSYM)))

# The same build makes them; no image of SONiC needs them: supervisord starts portsyncd.
PORTSYNCD_SYSTEMD = portsyncd-systemd_$(PORTSYNCD_VERSION)_all.deb
$(eval $(call add_derived_package,$(PORTSYNCD),$(PORTSYNCD_SYSTEMD)))
PORTSYNCD_MONITORING = portsyncd-monitoring_$(PORTSYNCD_VERSION)_all.deb
$(eval $(call add_derived_package,$(PORTSYNCD),$(PORTSYNCD_MONITORING)))
