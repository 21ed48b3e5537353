include $(sort $(wildcard $(BR2_EXTERNAL_PLAYHEADD_PATH)/package/*/*.mk))
