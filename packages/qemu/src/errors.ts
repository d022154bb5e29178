export { fileError, systemCode, toolMissing } from '@imgkit/core/local';
